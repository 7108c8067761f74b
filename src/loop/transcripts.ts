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
  runs: RunFiles;
  clock: Clock;
  agent: (name: string) => AgentAdapter;
  /** The newest iteration of a Ralph, and which agent CLI it runs. */
  newest: (ralph: string) => { iteration: string; agent: string; ended: boolean } | null;
  /** What an iteration's agent CLI is. */
  agentOf: (iteration: string) => string;
}

export interface Transcripts {
  lines(ralph: string, options: { after: number; follow: boolean; signal: AbortSignal }): AsyncIterable<TranscriptLine>;
  /** A few words on what it does now, from the end of its stream. */
  doing(iteration: string): Promise<string | null>;
}

const pieceBytes = 256 * 1024;
const tailBytes = 64 * 1024;
const pollMs = 400;

/** Reads the streams on the host's disk: what a guest prints is shown only after it was stored and cleaned. */
export function createTranscripts(deps: TranscriptsDeps): Transcripts {
  const { runs, clock } = deps;
  return {
    async *lines(ralph, { after, follow, signal }) {
      let at = after;
      let current = deps.newest(ralph);
      while (current !== null && !signal.aborted) {
        const { iteration } = current;
        const parser = deps.agent(current.agent).parser();
        // Lines are counted from the start of the stream, so a parser always reads it from there.
        for (let offset = 0; !signal.aborted; ) {
          const bytes = await runs.readStream(iteration, offset, pieceBytes);
          offset += bytes.length;
          if (bytes.length > 0) {
            if (offset > at) yield* shown(iteration, offset, parser.push(bytes));
            else parser.push(bytes);
            continue;
          }
          const now = deps.newest(ralph);
          const isOver = now?.iteration !== iteration || now.ended;
          if (isOver && (await runs.streamSize(iteration)) <= offset) {
            yield* shown(iteration, offset, parser.end());
            break;
          }
          if (!follow && !isOver) return;
          await pause(clock, signal);
        }
        if (!follow) return;
        while (!signal.aborted && deps.newest(ralph)?.iteration === iteration) await pause(clock, signal);
        current = deps.newest(ralph);
        at = 0;
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
