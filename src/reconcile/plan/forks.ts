import type { Disk } from '../../domain/disk.ts';
import type { Vm, VmWay } from '../../domain/vm.ts';
import { backoffMs } from '../../lib/backoff.ts';
import { diskOf, isUsable, type World } from './world.ts';

const shunnedMs = { first: 60_000, most: 24 * 3_600_000 };
/** A VM that is asked for meanwhile waits for the template, unless that does not get on: booting another one takes longer. */
const patienceMs = 60_000;

/** Forks can be had at all, and of this disk they did not come to nothing just now. */
export function mayFork({ now, observed }: World, disk: Disk): boolean {
  if (observed.templates === null) return false;
  const { forkFailures, forkFailedAt } = disk;
  return forkFailedAt === null || now >= forkFailedAt + backoffMs(forkFailures, shunnedMs.first, shunnedMs.most);
}

export function wayOf(world: World, disk: Disk): VmWay {
  return mayFork(world, disk) && world.observed.templates?.has(disk.key) ? 'fork' : 'boot';
}

/** The VM that is on its way to being the template of this disk; null when there is one, or none is to be waited for. */
export function comingTemplate(world: World, disk: Disk): Vm | null {
  if (!mayFork(world, disk) || world.observed.templates?.has(disk.key)) return null;
  const { now, observed } = world;
  const isComing = (vm: Vm) =>
    isUsable(vm) ? now - Math.max(vm.since, vm.stageSince) < patienceMs : vm.since >= observed.askedAt;
  return world.vms.find((vm) => vm.purpose === 'template' && vm.disk === disk.key && isComing(vm)) ?? null;
}

/** Of tasks that will need another VM (verification, review) and whose present VM is up already. */
export function disksSoonNeeded(world: World): Disk[] {
  const disks = new Set<Disk>();
  for (const task of world.tasks) {
    const disk = diskOf(world, task.disk);
    if (disk?.phase !== 'ready') continue;
    const comes = task.phase === 'implementing' || (task.phase === 'verifying' && world.config.review.required);
    const present = world.vms.some((vm) => vm.task === task.id && vm.phase === 'ready');
    if (comes && present) disks.add(disk);
  }
  return [...disks];
}
