import type { AgentAdapter, StreamItem, StreamParser } from '../agents/agent.ts';
import type { Clock } from '../lib/clock.ts';
import type { RunFiles } from './ports.ts';
import { transcriptLines } from './transcript.ts';

export interface TranscriptLine {
  iteration: string;
  /** The byte of the transcript after this line. */
  offset: number;
  kind: 'text' | 'tool' | 'result' | 'notice';
  text: string;
}

export interface TranscriptsDeps {
  runs: Pick<RunFiles, 'streamSize' | 'readStream'>;
  clock: Clock;
  agent: (name: string) => AgentAdapter;
  /** The newest iteration of a Ralph, and which agent CLI it runs. */
  newest: (ralph: string) => { iteration: string; agent: string; ended: boolean } | null;
  /** What an iteration's agent CLI is. */
  agentOf: (iteration: string) => string;
}

export interface LineOptions {
  /** Lines that end at or before this byte are left out. */
  after: number;
  follow: boolean;
  signal: AbortSignal;
}

export interface Transcripts {
  lines(ralph: string, options: LineOptions): AsyncIterable<TranscriptLine>;
  /** A few words on what it does now, from the end of its stream. */
  doing(iteration: string): Promise<string | null>;
}

const pieceBytes = 256 * 1024;
const tailBytes = 64 * 1024;
const pollMs = 400;

/** Reads the streams on the host's disk: what a guest prints is shown only after it was stored and cleaned. */
export function createTranscripts(deps: TranscriptsDeps): Transcripts {
  const { runs, clock } = deps;

  /** One iteration from byte `after` to its end; without `follow` to what there is now. */
  async function* ofIteration(
    ralph: string,
    which: { iteration: string; agent: string },
    options: LineOptions,
  ): AsyncIterable<TranscriptLine> {
    const { iteration } = which;
    const parser = deps.agent(which.agent).parser();
    // Lines are counted from the start of the stream, so a parser always reads it from there.
    for (let offset = 0; !options.signal.aborted; ) {
      const bytes = await runs.readStream(iteration, offset, pieceBytes);
      offset += bytes.length;
      const items = bytes.length > 0 ? parser.push(bytes) : [];
      if (offset > options.after) yield* shown(iteration, offset, items);
      if (bytes.length > 0) continue;
      if (await isOver(ralph, iteration, offset)) {
        yield* shown(iteration, offset, parser.end());
        return;
      }
      if (!options.follow) return;
      await pause(clock, options.signal);
    }
  }

  async function isOver(ralph: string, iteration: string, offset: number): Promise<boolean> {
    const now = deps.newest(ralph);
    return (now?.iteration !== iteration || now.ended) && (await runs.streamSize(iteration)) <= offset;
  }

  return {
    async *lines(ralph, options) {
      const { follow, signal } = options;
      let after = options.after;
      while (!signal.aborted) {
        const current = deps.newest(ralph);
        if (current !== null) yield* ofIteration(ralph, current, { ...options, after });
        if (!follow) return;
        if (current !== null) after = 0;
        while (!signal.aborted && deps.newest(ralph)?.iteration === current?.iteration) await pause(clock, signal);
      }
    },
    async doing(iteration) {
      const size = await runs.streamSize(iteration);
      if (size === 0) return null;
      const parser: StreamParser = deps.agent(deps.agentOf(iteration)).parser();
      parser.push(await runs.readStream(iteration, Math.max(0, size - tailBytes), tailBytes));
      return parser.summary().doing;
    },
  };
}

function* shown(iteration: string, offset: number, items: StreamItem[]): Iterable<TranscriptLine> {
  for (const item of items) {
    for (const text of transcriptLines(item)) yield { iteration, offset, kind: kindOf(item), text };
  }
}

function kindOf(item: StreamItem): TranscriptLine['kind'] {
  if (item.kind === 'tool-result') return 'result';
  return item.kind === 'garbage' ? 'notice' : item.kind;
}

async function pause(clock: Clock, signal: AbortSignal): Promise<void> {
  await clock.sleep(pollMs, signal).catch(() => {});
}
