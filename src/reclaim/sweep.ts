import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Reclaimable } from '../domain/reclaim.ts';

export interface Found extends Reclaimable {
  /** Looks again whether it may go; gone afterwards, also when it was before. */
  remove(): Promise<void>;
}

/** Finds what may go of one kind. Changes nothing. */
export type Sweep = () => Promise<Found[]>;

/** What is younger may be somebody's who has not noted it down yet. */
export const settledMs = 24 * 3_600_000;

/** Bytes that a file, or a folder with all in it, takes of the disk: blocks, since disks have holes. 0 when it is not there. */
export async function takenBytes(path: string): Promise<number> {
  const own = await lstat(path).catch(() => null);
  if (own === null) return 0;
  const names = own.isDirectory() ? await readdir(path).catch(() => []) : [];
  const below = await Promise.all(names.map((name) => takenBytes(join(path, name))));
  return below.reduce((sum, bytes) => sum + bytes, own.blocks * 512);
}

/** Names in a folder; none where there is no such folder. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).toSorted();
}

/** Milliseconds since the epoch; null when it is not there. */
export async function changedAt(path: string): Promise<number | null> {
  return lstat(path).then(
    (found) => found.mtimeMs,
    () => null,
  );
}
