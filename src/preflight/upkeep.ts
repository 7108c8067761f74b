import { chmod, lstat, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { imageFiles } from '../images/built.ts';
import { isAlive } from '../lib/alive.ts';
import type { Clock } from '../lib/clock.ts';
import type { Exec } from '../lib/exec.ts';
import type { Paths } from '../lib/paths.ts';
import { createLeftoverSweep } from '../reclaim/leftovers.ts';
import { namesIn, type Sweep, takenBytes } from '../reclaim/sweep.ts';

/** How the fleet's own files stand, as far as files alone tell. Looks change nothing; what mends looks again first. */
export interface Upkeep {
  /** What killed processes left half made. */
  leftovers: Sweep;
  cache(): Promise<CacheLook>;
  /** Files of secrets that others on this host may read. */
  readableByOthers(): Promise<{ path: string; close(): Promise<void> }[]>;
}

export interface CacheLook {
  images: number;
  prepared: number;
  templates: number;
  bytes: number;
  /** Images without a disk: a part of the cache was deleted. VMs cannot stand on them. */
  hollow: { key: string; missing: string[]; remove(): Promise<void> }[];
}

export function createUpkeep({ paths, exec, clock }: { paths: Paths; exec: Exec; clock: Clock }): Upkeep {
  return {
    leftovers: createLeftoverSweep({ paths, exec, clock, isAlive }),
    cache: () => lookAtCache(paths),
    readableByOthers: () => findOpen(paths),
  };
}

async function lookAtCache({ images, templates }: Paths): Promise<CacheLook> {
  const names = await namesIn(images);
  const keys = names.filter((name) => /^[0-9a-f]{16}$/.test(name));
  const hollow: CacheLook['hollow'] = [];
  for (const key of keys) {
    const missing = await missingOf(join(images, key));
    const isHollow = async () => (await missingOf(join(images, key))).includes('image.qcow2');
    const remove = async () => {
      if (await isHollow()) await rm(join(images, key), { recursive: true, force: true });
    };
    if (missing.includes('image.qcow2')) hollow.push({ key, missing, remove });
  }
  return {
    images: keys.length - hollow.length,
    prepared: names.filter((name) => /^prepared-[0-9a-f]{16}\.qcow2$/.test(name)).length,
    templates: (await namesIn(templates)).filter((name) => !name.startsWith('.')).length,
    bytes: await takenBytes(images),
    hollow,
  };
}

async function missingOf(folder: string): Promise<string[]> {
  const found = await namesIn(folder);
  return imageFiles.filter((name) => !found.includes(name));
}

/** Whoever may read a key may be the fleet. Public halves are public. */
async function findOpen({ keys, fleetDb, gasDb }: Paths) {
  const inKeys = (await namesIn(keys)).filter((name) => !name.endsWith('.pub')).map((name) => join(keys, name));
  const found: { path: string; close(): Promise<void> }[] = [];
  for (const path of [keys, ...inKeys, fleetDb, gasDb]) {
    const seen = await lstat(path).catch(() => null);
    if (seen === null || seen.isSymbolicLink() || (seen.mode & 0o077) === 0) continue;
    found.push({ path, close: () => chmod(path, seen.mode & 0o700) });
  }
  return found;
}
