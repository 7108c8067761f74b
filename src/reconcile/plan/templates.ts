import type { Disk } from '../../domain/disk.ts';
import { setupOf } from '../../domain/project.ts';
import { isWorking } from '../../domain/task.ts';
import { isUnused, type Vm } from '../../domain/vm.ts';
import { comingTemplate, disksSoonNeeded, mayFork } from './forks.ts';
import type { Pass } from './need-vm.ts';
import { isUsable, type World } from './world.ts';

/**
 * Templates: a VM is booted, saved with its memory, and from then on VMs on that disk are forked from it. The first VM of a disk is
 * needed at once, so it boots; the one that becomes the template is booted beside its work, when nobody waits for a VM.
 */
/** Saves the one that is ready, and asks for the next. After all else in a pass that asks for VMs: it has what room they leave. */
export function planTemplates(pass: Pass): void {
  const { world, to, room } = pass;
  const { templates } = world.observed;
  const own = world.vms.filter((vm) => vm.purpose === 'template' && isUsable(vm));
  for (const vm of own) {
    if (room.pressed) to.step('release_vm', `vm:${vm.id}`, 'its room is needed', { vm: vm.id });
    else if (templates?.has(vm.disk)) to.step('release_vm', `vm:${vm.id}`, 'there is a template', { vm: vm.id });
    else if (vm.phase === 'ready') {
      to.step('save_template', `vm:${vm.id}`, 'the next VMs on this disk are forked from it', { vm: vm.id });
    }
  }
  if (world.desire !== 'up' || world.paused || room.pressed || own.length > 0 || isAnyStarting(pass)) return;
  const disk = wanting(pass).find(
    (one) => mayFork(world, one) && !templates?.has(one.key) && comingTemplate(world, one) === null,
  );
  if (disk === undefined || !room.take('template')) return;
  to.step('request_vm', `template:${disk.key}`, 'VMs on this disk are forked once there is a template', {
    purpose: 'template',
    project: null,
    task: null,
    ralph: null,
    disk: disk.key,
    prepares: null,
    warm: null,
    way: 'boot',
  });
}

function isAnyStarting({ world, room }: Pass): boolean {
  const starting = ['wanted', 'preparing', 'starting', 'identifying'];
  return room.given > 0 || world.vms.some((vm) => isUsable(vm) && starting.includes(vm.phase));
}

/** Those of tasks under way; while nothing is, those the next task of each project will start from. */
function wanting(pass: Pass): Disk[] {
  const { world } = pass;
  const soon = disksSoonNeeded(world);
  if (soon.length > 0) return soon;
  const isAtRest = world.vms.length === 0 && !world.tasks.some(({ phase }) => phase === 'ready' || isWorking(phase));
  // What failed is tried again when there is work for it, not for ever.
  return isAtRest ? disksOfNextTasks(world).filter((disk) => disk.forkFailures === 0) : [];
}

function disksOfNextTasks(world: World): Disk[] {
  const ready = world.disks.filter((disk) => disk.phase === 'ready');
  const image = ready.filter((disk) => disk.key === world.observed.imageKey);
  if (world.projects.length === 0) return image;
  return world.projects.flatMap(({ name, settings }) => {
    if (setupOf(settings) === null) return image;
    const prepared = ready.filter((disk) => disk.project === name).toSorted((a, b) => b.since - a.since);
    return prepared.slice(0, 1);
  });
}

/** It is created by forking, or, when that came to nothing, by booting after all. */
export function planFork({ to }: Pass, vm: Vm): void {
  if (vm.failure === null) to.step('fork_vm', `vm:${vm.id}`, 'it is wanted, and there is a template', { vm: vm.id });
  else to.step('unfork_vm', `vm:${vm.id}`, 'it could not be forked', { vm: vm.id, reason: vm.failure });
}

/** One that does not get ready: a fork that nobody has used boots instead, anything else has failed. */
export function giveUpStart({ to }: Pass, vm: Vm, why: string, reason: string): void {
  if (vm.way === 'fork' && isUnused(vm)) to.step('unfork_vm', `vm:${vm.id}`, why, { vm: vm.id, reason });
  else to.step('fail_vm', `vm:${vm.id}`, why, { vm: vm.id, reason });
}
