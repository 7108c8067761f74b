import { readFile, rename } from 'node:fs/promises';
import { z } from 'zod';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import type { Mark } from './marks.ts';
import { type LogSource, streamKinds } from './source.ts';

/**
 * How far Loki has the logs, on the disk. Written before each batch is sent, with what the batch is made of (`plan`): a process that
 * was killed meanwhile makes the very same batch again, asks Loki what it has of it, and sends the rest.
 */
export interface Cursor {
  version: 1;
  /** When it was last written, milliseconds since the epoch. */
  seenUntil: number;
  /** By `<key of the source>#<number of the file>`. */
  positions: Record<string, Position>;
  /** Ended sources that were sent whole, with when they ended: they are not begun again. */
  finished: Record<string, number>;
  plan: PlannedPart[] | null;
  totals: Totals;
}

/** One file of a source: the one that grows, or one that was turned over and may still be written to by who has it open. */
export interface Position {
  source: LogSource;
  /** Where it was last seen. */
  path: string;
  ino: number;
  /** What it begins with, of what was sent. */
  head: string;
  /** Nothing more comes: what stands after its last newline is a line too. */
  isClosed: boolean;
  /** Everything before this byte is in Loki, or counted as lost. */
  offset: number;
  /** The time of the last line that was sent, ms since the epoch. */
  lastMs: number;
  /** When what is not sent yet was seen. */
  marks: readonly Mark[];
}

/** A stretch of a file that a batch is made of: all that its lines and their times depend on. */
export interface PlannedPart {
  /** Which position. */
  file: string;
  from: number;
  to: number;
  atMs: number;
  lastMs: number;
}

export const dropReasons = ['cap', 'too_old', 'rejected'] as const;
export type DropReason = (typeof dropReasons)[number];

/** Since the cursor was begun. */
export interface Totals {
  shippedLines: Record<string, number>;
  shippedBytes: number;
  /** cap: their file was removed before they were sent, an estimate; too_old: Loki takes none of that age; rejected: Loki says no. */
  droppedLines: Record<DropReason, number>;
}

const count = z.number().nonnegative();
const source = z.object({
  key: z.string(),
  kind: z.enum(streamKinds),
  path: z.string(),
  labels: z.object({ role: z.string().exactOptional(), driver: z.string().exactOptional() }),
  ids: z.record(z.string(), z.string()),
  endedAt: z.number().nullable(),
});
const cursorFile = z.object({
  version: z.literal(1),
  seenUntil: count,
  positions: z.record(
    z.string(),
    z.object({
      ...{ source, path: z.string(), ino: z.number(), head: z.string(), isClosed: z.boolean() },
      offset: count,
      lastMs: count,
      marks: z.array(z.tuple([count, count])).readonly(),
    }),
  ),
  finished: z.record(z.string(), z.number()),
  plan: z
    .array(
      z.object({
        ...{ file: z.string(), from: count, to: count, atMs: count, lastMs: count },
      }),
    )
    .nullable(),
  totals: z.object({
    shippedLines: z.record(z.string(), count),
    shippedBytes: count,
    droppedLines: z.object({ cap: count, too_old: count, rejected: count }),
  }),
}) satisfies z.ZodType<Cursor>;

export function newCursor(nowMs: number): Cursor {
  const totals = { shippedLines: {}, shippedBytes: 0, droppedLines: { cap: 0, too_old: 0, rejected: 0 } };
  return { version: 1, seenUntil: nowMs, positions: {}, finished: {}, plan: null, totals };
}

/** Null when there is none yet. One that cannot be read is laid aside as `<path>.broken` and told. */
export async function readCursor(path: string, onBroken: (error: unknown) => void): Promise<Cursor | null> {
  try {
    return cursorFile.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    onBroken(error);
    await rename(path, `${path}.broken`);
    return null;
  }
}

export async function writeCursor(path: string, cursor: Cursor): Promise<void> {
  await writeFileAtomic(path, JSON.stringify(cursor));
}
