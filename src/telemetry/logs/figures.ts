import type { DropReason, Totals } from './cursor.ts';
import type { PushFailure } from './loki.ts';

/** How the logs get on. Totals are since the cursor was begun, and survive the process; failures are of this process. */
export interface LogFigures extends Totals {
  /** `waiting`: Loki does not take anything at the moment, and why; nothing is lost by that. */
  state: 'sending' | 'waiting';
  since: number;
  why: string | null;
  pushFailures: Record<PushFailure, number>;
  /** Bytes on the disk that Loki has not, and how long the oldest of them waits, by stream. */
  backlogBytes: number;
  lagMs: Record<string, number>;
  lastTakenAt: number | null;
}

export interface Tally {
  taken(at: number): void;
  failed(why: PushFailure, text: string, at: number): void;
  shipped(stream: string, lines: number): void;
  dropped(reason: DropReason, lines: number): void;
  /** Bytes of files that went away, as about so many lines as such bytes were until now. */
  lost(bytes: number): number;
  figures(now: number, backlog: { bytes(): number; oldest(): Map<string, number> }): LogFigures;
}

const usualLineBytes = 200;

/** Counts into the totals of the cursor; `onChange` when Loki begins or ends not to take anything. */
export function createTally(
  totals: Totals,
  now: number,
  onChange: (state: LogFigures['state'], why: string | null) => void,
): Tally {
  const pushFailures = { refused: 0, overloaded: 0, error: 0, unreachable: 0 };
  let state: LogFigures['state'] = 'sending';
  let since = now;
  let why: string | null = null;
  let lastTakenAt: number | null = null;

  function turn(to: LogFigures['state'], at: number): void {
    if (state === to) return;
    state = to;
    since = at;
    onChange(to, why);
  }

  return {
    taken(at) {
      lastTakenAt = at;
      why = null;
      turn('sending', at);
    },
    failed(reason, text, at) {
      pushFailures[reason]++;
      why = text;
      turn('waiting', at);
    },
    shipped(stream, lines) {
      totals.shippedLines[stream] = (totals.shippedLines[stream] ?? 0) + lines;
    },
    dropped(reason, lines) {
      totals.droppedLines[reason] += lines;
    },
    lost(bytes) {
      const sent = Object.values(totals.shippedLines).reduce((sum, lines) => sum + lines, 0);
      const lineBytes = sent === 0 ? usualLineBytes : Math.max(1, totals.shippedBytes / sent);
      const lines = Math.max(1, Math.round(bytes / lineBytes));
      totals.droppedLines.cap += lines;
      return lines;
    },
    figures(at, backlog) {
      const lagMs = Object.fromEntries([...backlog.oldest()].map(([stream, seen]) => [stream, Math.max(0, at - seen)]));
      const { shippedLines, shippedBytes, droppedLines } = structuredClone(totals);
      return {
        ...{ state, since, why, shippedLines, shippedBytes, droppedLines, pushFailures: { ...pushFailures } },
        ...{ backlogBytes: backlog.bytes(), lagMs, lastTakenAt },
      };
    },
  };
}
