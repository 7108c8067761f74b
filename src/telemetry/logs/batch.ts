import type { FileHandle } from 'node:fs/promises';
import type { Cursor, PlannedPart, Position } from './cursor.ts';
import { type Entry, type MakeEntriesDeps, makeEntries, nextStampMs } from './entry.ts';
import { headOf, openSame } from './generations.ts';
import { dropMarks } from './marks.ts';
import { type LinesRead, readLines } from './read-lines.ts';

/** Lines that are sent together. */
export interface Batch {
  plan: PlannedPart[];
  entries: Entry[];
  bytes: number;
  /** Where each file stands once it is settled. */
  after: Map<string, Pick<Position, 'offset' | 'lastMs' | 'head'>>;
}

const batchBytes = 1024 ** 2;
const partBytes = 256 * 1024;

export interface Batches {
  /** The oldest lines that Loki has not, of all files; null when there is none. `sent`: as if that batch were settled. */
  next(sent?: Batch): Promise<Batch | null>;
  /** The batch that was planned when the process before this one ended: the same lines, with the same times. */
  again(plan: readonly PlannedPart[]): Promise<Batch>;
}

export interface BatchesDeps extends MakeEntriesDeps {
  cursor: Cursor;
  /** A file is another one by now, or gone: so many of its bytes cannot be sent. */
  onLost: (position: Position, bytes: number) => void;
}

export function createBatches(deps: BatchesDeps): Batches {
  const { cursor, onLost } = deps;
  /** Up to where a file was found to hold no newline: a line that grows for ever is not read from its start each time. */
  const scanned = new Map<string, number>();

  function add(batch: Batch, file: string, position: Position, part: Omit<PlannedPart, 'file'>, read: LinesRead): void {
    const { entries, lastMs } = makeEntries(position.source, read.lines, part, deps);
    for (const entry of entries) batch.entries.push(entry);
    batch.plan.push({ file, ...part });
    batch.bytes += part.to - part.from;
    batch.after.set(file, { offset: part.to, lastMs, head: position.head });
  }

  /** From one file, until the batch is full or there is no whole line left. */
  async function fill(batch: Batch, name: string, position: Position): Promise<void> {
    const file = await openSame(position.path, position.ino, position.offset, position.head);
    if (file === null) return; // turned over this moment: the next look finds it under its new name
    try {
      let { offset, lastMs } = position;
      for (const [end, seenMs] of position.marks) {
        while (offset < end && batch.bytes < batchBytes) {
          const isWhole = position.isClosed && end === position.marks.at(-1)?.[0];
          const read = await readLines(file, offset, {
            ...{ end, isWhole, maxBytes: partBytes, scanned: scanned.get(name) ?? 0 },
          });
          scanned.set(name, read.scanned);
          if (read.to === offset) break;
          const atMs = nextStampMs(position.source, lastMs, seenMs);
          add(batch, name, position, { from: offset, to: read.to, atMs, lastMs }, read);
          offset = read.to;
          lastMs = batch.after.get(name)?.lastMs ?? lastMs;
        }
      }
      await keepHead(batch, name, file);
    } finally {
      await file.close();
    }
  }

  return {
    async next(sent) {
      const batch: Batch = { plan: [], entries: [], bytes: 0, after: new Map() };
      const waiting = Object.entries(cursor.positions)
        .map(([file, position]) => [file, behind(position, sent?.after.get(file))] as const)
        .filter(([, { marks }]) => marks.length > 0)
        .toSorted(([, a], [, b]) => (a.marks[0]?.[1] ?? 0) - (b.marks[0]?.[1] ?? 0));
      for (const [file, position] of waiting) {
        if (batch.bytes < batchBytes) await fill(batch, file, position);
      }
      return batch.plan.length === 0 ? null : batch;
    },
    async again(plan) {
      const batch: Batch = { plan: [], entries: [], bytes: 0, after: new Map() };
      for (const { file: name, ...part } of plan) {
        const position = cursor.positions[name];
        if (position === undefined) continue;
        const file = await openSame(position.path, position.ino, position.offset, position.head);
        if (file === null) {
          onLost(position, part.to - part.from);
          batch.after.set(name, { offset: part.to, lastMs: part.lastMs, head: position.head });
          continue;
        }
        try {
          const options = { end: part.to, isWhole: true, maxBytes: partBytes };
          add(batch, name, position, part, await readLines(file, part.from, options));
          await keepHead(batch, name, file);
        } finally {
          await file.close();
        }
      }
      return batch;
    },
  };
}

async function keepHead(batch: Batch, name: string, file: FileHandle): Promise<void> {
  const after = batch.after.get(name);
  if (after !== undefined) batch.after.set(name, { ...after, head: await headOf(file, after.offset) });
}

/** The batch is settled: the cursor goes on behind it. */
export function advance(cursor: Cursor, batch: Batch): void {
  for (const [file, after] of batch.after) {
    const position = cursor.positions[file];
    if (position === undefined) continue;
    cursor.positions[file] = behind(position, after);
  }
}

function behind(position: Position, after: Pick<Position, 'offset' | 'lastMs' | 'head'> | undefined): Position {
  if (after === undefined) return position;
  return { ...position, ...after, marks: dropMarks(position.marks, after.offset) };
}
