import { z } from 'zod';
import type { RalphRole, Signals } from '../domain/iteration.ts';
import { maxSaidBytes, maxSignalChars, readSignal, type Signal } from '../domain/signal.ts';

/**
 * Everything an agent said in one iteration, made into one account: its tool calls, in the order they came, then the JSON lines of
 * `$RALPH_SIGNALS` (each with the iteration's nonce and a verb), which arrive when it has ended. A call or line that is not
 * right is refused and counted; it never changes what others say.
 */
export interface Said {
  role: RalphRole;
  nonce: string;
  /** What the gateway stored, oldest first. */
  calls: readonly { verb: string; given?: unknown }[];
  /** How many it refused. */
  refusedCalls: number;
  file: Uint8Array;
}

/** More of one kind are counted as refused. */
const maxOfKind = 20;

/** Total: never throws, whatever the bytes. A nonce that is empty accepts no line. */
export function readSignals({ role, nonce, calls, refusedCalls, file }: Said): Signals {
  const signals: Signals = {
    ...{ closing: null, ask: null, verdict: null, learned: [], flags: [] },
    refused: refusedCalls,
  };
  const take = (verb: unknown, given: unknown) => {
    const read = readSignal(role, verb, given);
    if (!read.ok || !apply(signals, read.signal)) signals.refused++;
  };
  for (const { verb, given } of calls) take(verb, given);
  for (const text of linesOf(file)) {
    const line = readLine(text, nonce);
    take(line?.verb, line);
  }
  return signals;
}

/** The last `maxSaidBytes` of the file; a first line that was cut there is left out. */
function linesOf(bytes: Uint8Array): string[] {
  const cut = bytes.length > maxSaidBytes;
  const text = new TextDecoder().decode(cut ? bytes.subarray(bytes.length - maxSaidBytes) : bytes);
  const lines = text.split('\n');
  return (cut ? lines.slice(1) : lines).filter((each) => each.trim() !== '');
}

const lineSchema = z.looseObject({ nonce: z.string(), verb: z.string() });

function readLine(text: string, nonce: string): z.infer<typeof lineSchema> | null {
  if (text.length > maxSignalChars || nonce === '') return null;
  const line = lineSchema.safeParse(parseJson(text));
  return line.success && line.data.nonce === nonce ? line.data : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** False when there is no room for more of its kind. */
function apply(signals: Signals, signal: Signal): boolean {
  switch (signal.verb) {
    case 'done':
      signals.closing = { verb: 'done', text: signal.summary };
      return true;
    case 'partial': {
      const rest = signal.remaining === undefined ? '' : `\nRemaining: ${signal.remaining}`;
      signals.closing = { verb: 'partial', text: `${signal.summary}${rest}` };
      return true;
    }
    case 'stuck':
      signals.closing = { verb: 'stuck', text: signal.reason };
      return true;
    case 'ask': {
      const { verb: _, ...ask } = signal;
      signals.ask = ask;
      return true;
    }
    case 'verdict': {
      const { verb: _, ...verdict } = signal;
      signals.verdict = verdict;
      return true;
    }
    case 'learned': {
      const { verb: _, ...learned } = signal;
      return signals.learned.length < maxOfKind && signals.learned.push(learned) > 0;
    }
    case 'flag': {
      const { verb: _, ...flag } = signal;
      return signals.flags.length < maxOfKind && signals.flags.push(flag) > 0;
    }
  }
}
