import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isEnded } from '../domain/task.ts';
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/store.ts';
import { changedAt, type Found, namesIn, type Sweep, settledMs, takenBytes } from './sweep.ts';

export interface HistoryDeps {
  store: Store;
  clock: Clock;
  keepMs: () => number;
}

/** Prompts and streams of tasks that ended long ago, and of iterations no row knows. Changes, verdicts and evidence stay. */
export function createRunSweep({ store, clock, keepMs }: HistoryDeps, folder: string): Sweep {
  return async () => {
    const found: Found[] = [];
    for (const name of await namesIn(folder)) {
      const why = await whyOld(name);
      if (why === null) continue;
      const path = join(folder, name);
      const remove = async () => {
        if ((await whyOld(name)) !== null) await rm(path, { recursive: true, force: true });
      };
      found.push({ kind: 'run', name, why, sizeBytes: await takenBytes(path), remove });
    }
    return found;
  };

  async function whyOld(name: string): Promise<string | null> {
    const iteration = store.iterations.get(name.replace(/\.bundle$/, ''));
    const at = (await changedAt(join(folder, name))) ?? clock.now();
    const isSettled = clock.now() - at > settledMs;
    if (iteration === null) return isSettled ? 'no iteration of this fleet' : null;
    if (name.endsWith('.bundle'))
      return isSettled && iteration.phase === 'ended' ? 'its work was taken to the host' : null;
    const task = store.tasks.get(iteration.task);
    if (task === null || !isEnded(task.phase) || iteration.phase !== 'ended') return null;
    const days = Math.floor((clock.now() - task.since) / 86_400_000);
    return clock.now() - task.since > keepMs() ? `${task.id} is ${task.phase} since ${days} days` : null;
  }
}

/** Records of runs that no row names: their daemon died between writing one and noting it down. */
export function createRecordSweep({ store, clock }: HistoryDeps, folder: string): Sweep {
  const isNamed = (digest: string) => store.checkRuns.list('WHERE record = ? LIMIT 1', digest).length > 0;
  return async () => {
    const found: Found[] = [];
    for (const name of await namesIn(folder)) {
      const digest = /^([0-9a-f]{64})\.json$/.exec(name)?.[1];
      const path = join(folder, name);
      if (digest === undefined || isNamed(digest)) continue;
      if (clock.now() - ((await changedAt(path)) ?? clock.now()) <= settledMs) continue;
      const remove = async () => {
        if (!isNamed(digest)) await rm(path, { force: true });
      };
      found.push({ kind: 'record', name: digest, why: 'no run names it', sizeBytes: await takenBytes(path), remove });
    }
    return found;
  };
}

/** Copies of the database from before a migration: the newest stays, and the others for as long as history is kept. */
export function createBackupSweep({ clock, keepMs }: Pick<HistoryDeps, 'clock' | 'keepMs'>, fleetDb: string): Sweep {
  const version = (name: string) =>
    name.startsWith(`${basename(fleetDb)}.v`) ? Number(/\.v(\d+)\.bak$/.exec(name)?.[1] ?? 0) : 0;
  return async () => {
    const copies = (await namesIn(dirname(fleetDb))).filter((name) => version(name) > 0);
    const older = copies.toSorted((a, b) => version(b) - version(a)).slice(1);
    const found: Found[] = [];
    for (const name of older) {
      const path = join(dirname(fleetDb), name);
      if (clock.now() - ((await changedAt(path)) ?? clock.now()) <= keepMs()) continue;
      const remove = () => rm(path, { force: true });
      found.push({
        kind: 'backup',
        name: path,
        why: 'there is a newer one',
        sizeBytes: await takenBytes(path),
        remove,
      });
    }
    return found;
  };
}
