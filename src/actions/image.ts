import type { Disk } from '../domain/disk.ts';
import { usersOf } from '../domain/disk-users.ts';
import { type ActionDeps, type Done, done } from './deps.ts';

/** Wants the image VMs start from, also while the fleet is down. The next passes build it, or find it in the cache. */
export function wantImage({ store, clock }: ActionDeps, key: string, builder: string): Done {
  const known = store.disks.get(key);
  if (known?.phase === 'ready') return done(`The ${builder} image \`${key}\` is there.`, null, false);
  if (known === null) {
    store.disks.insert({
      key,
      kind: 'image',
      project: null,
      phase: 'wanted',
      path: null,
      boot: null,
      backing: null,
      commit: null,
      recipe: null,
      progress: null,
      failure: null,
      attempts: 0,
      forkFailures: 0,
      forkFailedAt: null,
      since: clock.now(),
    });
  } else if (known.phase === 'failed' || known.phase === 'leaving')
    store.disks.update(key, { phase: 'wanted', attempts: 0, failure: null });
  return done(`The ${builder} image \`${key}\` is built.`);
}

/**
 * Disks nobody needs, oldest first. No task that has not ended, VM or replay stands on them, and they are not what the next task would
 * start from: the newest image, and each project's newest disk on it.
 */
export function disksToRemove({ store }: Pick<ActionDeps, 'store'>): Disk[] {
  const disks = store.disks.list('ORDER BY since');
  const isIdle = (disk: Disk) =>
    (disk.phase === 'ready' || disk.phase === 'failed') && usersOf(disk, store.alive).length === 0;
  const newest = new Map<string, Disk>();
  for (const disk of disks.filter((one) => one.phase === 'ready')) newest.set(`${disk.kind} ${disk.project}`, disk);
  const isNext = (disk: Disk) =>
    [...newest.values()].includes(disk) && (disk.project === null || isProject(disk.project));
  const isProject = (name: string) => store.projects.get(name) !== null;
  const going = disks.filter((disk) => isIdle(disk) && !isNext(disk));
  // An image goes after all that stands on it, or stays with it.
  const stays = (image: Disk) => disks.some((disk) => disk.backing === image.key && !going.includes(disk));
  return going.filter((disk) => disk.kind === 'prepared' || !stays(disk));
}

/** The next passes remove them. A task that asks for one of them meanwhile has it made again. */
export function removeDisks(deps: Pick<ActionDeps, 'store' | 'clock'>): void {
  const { store, clock } = deps;
  store.tx(() => {
    for (const { key } of disksToRemove(deps)) store.disks.update(key, { phase: 'leaving', since: clock.now() });
  });
}
