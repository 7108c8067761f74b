import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Disk } from '../domain/disk.ts';
import { FleetError } from '../lib/errors.ts';
import type { Paths } from '../lib/paths.ts';

/** Disks as files of the cache: an image is a folder of its builder's, a prepared disk one file. */
export function preparedPath({ images }: Pick<Paths, 'images'>, key: string): string {
  return join(images, `prepared-${key}.qcow2`);
}

export async function removeDiskFile(paths: Pick<Paths, 'images'>, key: string, kind: Disk['kind']): Promise<void> {
  if (!/^[0-9a-f]{16}$/.test(key)) throw new FleetError('bug', `The disk \`${key}\` is not removed: that is no key.`);
  await rm(kind === 'image' ? join(paths.images, key) : preparedPath(paths, key), { recursive: true, force: true });
}

/** What stands on the host's disk for each: blocks, since such files have holes. */
export async function diskSizes(disks: readonly Disk[]): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const { key, kind, path } of disks) {
    if (path === null) continue;
    const folder = kind === 'image' ? join(path, '..') : null;
    const names = folder === null ? [path] : (await readdir(folder).catch(() => [])).map((name) => join(folder, name));
    const found = await Promise.all(names.map((name) => stat(name).catch(() => null)));
    const bytes = found.reduce((sum, one) => sum + (one === null ? 0 : one.blocks * 512), 0);
    if (bytes > 0) sizes.set(key, bytes);
  }
  return sizes;
}
