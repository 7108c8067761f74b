import type { Cursor, Position } from './cursor.ts';
import { type Generation, listGenerations } from './generations.ts';
import { addMark } from './marks.ts';
import { hasEnd, type LogSource } from './source.ts';

/** Sources that ended longer ago than this are begun only if they ended after the cursor was last written. */
const graceMs = 3_600_000;

export interface Backlog {
  /** Looks at all files of all sources: what came, what was turned over, what is gone. */
  look(offered: readonly LogSource[]): Promise<void>;
  /** Bytes that Loki has not. */
  bytes(): number;
  /** When the oldest line that Loki has not was seen, by stream; ms since the epoch. */
  oldest(): Map<string, number>;
}

export interface BacklogDeps {
  cursor: Cursor;
  now: () => number;
  /** A file went away before so many of its bytes were sent. */
  onLost: (position: Position, bytes: number) => void;
}

/** Keeps the cursor's positions in step with what is on the disk. */
export function createBacklog({ cursor, now, onLost }: BacklogDeps): Backlog {
  /** Those that ended before it were sent by an earlier run, or are none of this one's business. */
  let beginsAt = cursor.seenUntil - graceMs;

  function isWanted(source: LogSource): boolean {
    if (!hasEnd(source.kind)) return true;
    if (source.key in cursor.finished) return false;
    return source.endedAt === null || source.endedAt >= beginsAt;
  }

  /** A source that is offered no more has ended; its files may still hold what was not sent. */
  function known(offered: readonly LogSource[]): LogSource[] {
    const sources = new Map<string, LogSource>();
    for (const { source } of Object.values(cursor.positions)) {
      sources.set(source.key, { ...source, endedAt: source.endedAt ?? (hasEnd(source.kind) ? now() : null) });
    }
    for (const source of offered) if (sources.has(source.key) || isWanted(source)) sources.set(source.key, source);
    return [...sources.values()];
  }

  async function lookAt(source: LogSource): Promise<void> {
    const generations = await listGenerations(source);
    const mine = () => Object.entries(cursor.positions).filter(([, it]) => it.source.key === source.key);
    for (const generation of generations) see(source, generation, mine());
    for (const [file, position] of mine()) {
      if (generations.some(({ ino }) => ino === position.ino)) continue;
      const missed = (position.marks.at(-1)?.[0] ?? 0) - position.offset;
      if (isPlanned(file)) continue;
      delete cursor.positions[file];
      if (missed > 0) onLost(position, missed);
    }
    const isSent = mine().every(([, it]) => it.isClosed && (it.marks.at(-1)?.[0] ?? 0) <= it.offset);
    if (source.endedAt === null || !hasEnd(source.kind) || !isSent) return;
    if (mine().some(([file]) => isPlanned(file))) return;
    for (const [file] of mine()) delete cursor.positions[file];
    cursor.finished[source.key] = source.endedAt;
  }

  /** What a batch under way is made of stays until that is settled. */
  function isPlanned(file: string): boolean {
    return cursor.plan?.some((part) => part.file === file) === true;
  }

  function see(source: LogSource, generation: Generation, siblings: readonly [string, Position][]): void {
    const file = `${source.key}#${generation.ino}`;
    const known = cursor.positions[file];
    const lastMs = known?.lastMs ?? Math.max(0, ...siblings.map(([, it]) => it.lastMs));
    const isCut = known !== undefined && generation.size < known.offset && !isPlanned(file);
    const before = known === undefined || isCut ? { head: '', offset: 0, marks: [] } : known;
    const { head, offset } = before;
    // The last write is when it came, as far as the file knows; a clock that jumped may know better.
    const seenMs = Math.min(now(), Math.ceil(generation.changedMs));
    const marks = generation.size > offset ? addMark(before.marks, generation.size, seenMs) : before.marks;
    // A console waits at a prompt, without a newline, for as long as its VM lives.
    const mayRest = !generation.isCurrent || source.kind === 'console';
    const closedAt = source.endedAt ?? (mayRest ? generation.changedMs : now());
    const { path, ino } = generation;
    cursor.positions[file] = {
      ...{ source, path, ino, head, offset, lastMs, marks },
      isClosed: now() - closedAt > quietMs,
    };
  }

  return {
    async look(offered) {
      for (const source of known(offered)) await lookAt(source);
      beginsAt = now() - graceMs;
      for (const [key, endedAt] of Object.entries(cursor.finished)) {
        if (endedAt < beginsAt) delete cursor.finished[key];
      }
    },
    bytes: () =>
      Object.values(cursor.positions).reduce((sum, it) => sum + ((it.marks.at(-1)?.[0] ?? it.offset) - it.offset), 0),
    oldest() {
      const oldest = new Map<string, number>();
      for (const { source, marks } of Object.values(cursor.positions)) {
        const first = marks[0]?.[1];
        if (first !== undefined) oldest.set(source.kind, Math.min(first, oldest.get(source.kind) ?? first));
      }
      return oldest;
    },
  };
}

/** After its end, or after it was turned over, a file may still be written to for a moment; then what it ends with is its last line. */
const quietMs = 10_000;
