import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import type { Exec } from '../lib/exec.ts';
import type { Paths } from '../lib/paths.ts';
import { changedAt, type Found, namesIn, type Sweep, settledMs, takenBytes } from './sweep.ts';

export interface LeftoverDeps {
  paths: Pick<Paths, 'images' | 'templates' | 'tools' | 'state'>;
  exec: Exec;
  clock: Clock;
  isAlive: (pid: number) => boolean;
}

/**
 * What processes that were killed left half made, in the cache and the state folder. Told by its name alone and by
 * whether who made it still lives, so that it can be looked for without a daemon.
 */
export function createLeftoverSweep(deps: LeftoverDeps): Sweep {
  const { paths } = deps;
  return async () => {
    const places = [paths.images, paths.tools].flatMap((folder) => [
      { folder, pattern: /^\..+\.(\d+)\.aside$/, what: 'half built' },
      { folder, pattern: /^[0-9a-f]{16}\.lock$/, what: 'the lock of a builder that is gone' },
      { folder, pattern: /^prepared-[0-9a-f]{16}\.qcow2\.new$/, what: 'half copied' },
    ]);
    const all = [
      ...places,
      { folder: paths.templates, pattern: /^\.[0-9a-f]{16}-[0-9a-f]{8}\.(\d+)$/, what: 'half saved' },
      { folder: paths.state, pattern: /^.+\.(\d+)\.[0-9a-z]{1,8}\.tmp$/, what: 'half written' },
      { folder: paths.state, pattern: /^ballast\.new$/, what: 'half made' },
    ];
    const found: Found[] = [];
    for (const { folder, pattern, what } of all) {
      for (const name of await namesIn(folder)) {
        const match = pattern.exec(name);
        if (match === null || !(await isLeft(deps, folder, name, match[1] ?? null))) continue;
        found.push(await leftover(deps, folder, name, match[1] ?? null, what));
      }
    }
    return found;
  };
}

async function leftover(
  deps: LeftoverDeps,
  folder: string,
  name: string,
  by: string | null,
  why: string,
): Promise<Found> {
  const path = join(folder, name);
  const remove = async () => {
    if (!(await isLeft(deps, folder, name, by))) return;
    // Never across a mount: a half-built root may still have the host's /proc or /dev in it.
    if (name.endsWith('.aside'))
      await deps.exec(['rm', '-rf', '--one-file-system', '--', path], { timeoutMs: 120_000 });
    else await rm(path, { recursive: true, force: true });
  };
  return { kind: 'leftover', name: path, why, sizeBytes: await takenBytes(path), remove };
}

/** `by`: the process in its name. */
async function isLeft(deps: LeftoverDeps, folder: string, name: string, by: string | null): Promise<boolean> {
  const { clock, isAlive } = deps;
  const path = join(folder, name);
  const at = await changedAt(path);
  if (at === null) return false;
  if (name.endsWith('.lock')) {
    const holder = Number((await readFile(path, 'utf8').catch(() => '')).trim());
    return isOld(clock, at, 60_000) && !(holder > 0 && isAlive(holder));
  }
  return by === null ? isOld(clock, at, settledMs) : !isAlive(Number(by));
}

function isOld(clock: Clock, at: number, ms: number): boolean {
  return clock.now() - at > ms;
}
