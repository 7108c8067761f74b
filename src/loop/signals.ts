import { z } from 'zod';
import type { Signals } from '../domain/iteration.ts';
import { cleanLine, cleanText } from '../lib/clean-text.ts';

/**
 * What an agent says: JSON lines in `$RALPH_SIGNALS`, each with the iteration's nonce and a verb. The file comes from a
 * guest and is hostile.
 *
 * - A line without the nonce, of another form, or too long is refused and counted; it never changes what others say.
 * - Of several closing verbs the last one counts: an agent that says `partial`, goes on and says `done` means `done`, and one
 *   that says `done`, looks again and says `stuck` means `stuck`. The same for `ask` and `verdict`.
 * - A verdict that contradicts itself (a no without a finding that weighs, a yes with a blocking one) is refused: inconclusive.
 * - A closing verb needs a text of its own, so that a copied example (`<what you changed>`) is refused too.
 */
const maxFileBytes = 1024 * 1024;
const maxLineChars = 64 * 1024;
const maxFindings = 50;

const line = (maxChars: number) =>
  z
    .string()
    .transform((text) => cleanLine(text, maxChars))
    .refine((text) => text !== '' && !isPlaceholder(text), 'must say something');
const paragraph = (maxChars: number) =>
  z
    .string()
    .transform((text) => cleanText(text, maxChars).trim())
    .refine((text) => text !== '' && !isPlaceholder(text), 'must say something');

/** What the prompt's examples hold where the agent's own words belong. */
function isPlaceholder(text: string): boolean {
  return /^<[^<>]*>$/.test(text);
}

const finding = z.object({
  file: line(500).nullish().default(null),
  line: z.number().int().positive().nullish().default(null),
  severity: z.enum(['minor', 'major', 'blocking']),
  what: paragraph(2000),
  why: paragraph(2000),
});

/** A no needs a reason that is more than minor; a yes cannot stand beside a blocking finding. */
function isCoherent(verdict: { decision: string; findings: { severity: string }[] }): boolean {
  const severities = verdict.findings.map((each) => each.severity);
  return verdict.decision === 'approve' ? !severities.includes('blocking') : severities.some((s) => s !== 'minor');
}

export const signalSchema = z.discriminatedUnion('verb', [
  z.object({ verb: z.literal('done'), summary: paragraph(4000) }),
  z.object({ verb: z.literal('partial'), summary: paragraph(4000), remaining: paragraph(4000).optional() }),
  z.object({ verb: z.literal('stuck'), reason: paragraph(4000) }),
  z.object({
    verb: z.literal('ask'),
    question: paragraph(2000),
    blocking: z.boolean().default(true),
    options: z.array(line(200)).max(10).default([]),
  }),
  z
    .object({
      verb: z.literal('verdict'),
      decision: z.enum(['approve', 'request_changes']),
      findings: z.array(finding).max(maxFindings).default([]),
      summary: paragraph(4000),
    })
    .refine(isCoherent, 'the findings contradict the decision'),
]);
export type Signal = z.infer<typeof signalSchema>;

const envelope = z.looseObject({ nonce: z.string() });

/** Total: never throws, whatever the bytes. A nonce that is empty accepts nothing. */
export function parseSignals(bytes: Uint8Array, nonce: string): Signals {
  const signals: Signals = { closing: null, ask: null, verdict: null, refused: 0 };
  for (const text of linesOf(bytes)) {
    const signal = readSignal(text, nonce);
    if (signal === null) signals.refused++;
    else apply(signals, signal);
  }
  return signals;
}

/** The last `maxFileBytes` of the file; a first line that was cut there is left out. */
function linesOf(bytes: Uint8Array): string[] {
  const cut = bytes.length > maxFileBytes;
  const text = new TextDecoder().decode(cut ? bytes.subarray(bytes.length - maxFileBytes) : bytes);
  const lines = text.split('\n');
  return (cut ? lines.slice(1) : lines).filter((each) => each.trim() !== '');
}

function readSignal(text: string, nonce: string): Signal | null {
  if (text.length > maxLineChars || nonce === '') return null;
  const value = parseJson(text);
  const carried = envelope.safeParse(value);
  if (!carried.success || carried.data.nonce !== nonce) return null;
  const signal = signalSchema.safeParse(value);
  return signal.success ? signal.data : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function apply(signals: Signals, signal: Signal): void {
  switch (signal.verb) {
    case 'done':
      signals.closing = { verb: 'done', text: signal.summary };
      break;
    case 'partial': {
      const rest = signal.remaining === undefined ? '' : `\nRemaining: ${signal.remaining}`;
      signals.closing = { verb: 'partial', text: `${signal.summary}${rest}` };
      break;
    }
    case 'stuck':
      signals.closing = { verb: 'stuck', text: signal.reason };
      break;
    case 'ask':
      signals.ask = { question: signal.question, blocking: signal.blocking, options: signal.options };
      break;
    case 'verdict':
      signals.verdict = { decision: signal.decision, findings: signal.findings, summary: signal.summary };
      break;
  }
}
