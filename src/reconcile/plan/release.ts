import type { Disk } from '../../domain/disk.ts';
import { isReplayOpen } from '../../domain/replay.ts';
import type { TaskPhase } from '../../domain/task.ts';
import type { Vm } from '../../domain/vm.ts';
import { disksSoonNeeded, mayFork, wayOf } from './forks.ts';
import type { Pass } from './need-vm.ts';
import { diskOf, isUsable, type World } from './world.ts';

const usedIn: Readonly<Record<'implementer' | 'reviewer' | 'verifier', readonly TaskPhase[]>> = {
  implementer: ['claimed', 'implementing'],
  reviewer: ['reviewing'],
  verifier: ['verifying'],
};

/** Gives back what nobody needs: VMs whose task went on (their work is saved: see iterations.ts), and Ralphs likewise. */
export function planRelease(pass: Pass): void {
  const { world, to } = pass;
  for (const vm of world.vms) {
    if (!isUsable(vm)) continue;
    const why = whyUnneeded(pass, vm);
    const open = world.iterations.some((it) => it.vm === vm.id && it.phase !== 'ended');
    if (why !== null && !open) to.step('release_vm', `vm:${vm.id}`, why, { vm: vm.id });
  }
  for (const ralph of world.ralphs) {
    if (ralph.task === null) continue;
    const task = world.tasks.find((t) => t.id === ralph.task);
    const open = world.iterations.some((it) => it.ralph === ralph.name && it.phase !== 'ended');
    if (!open && (task === undefined || !usedIn[ralph.role].includes(task.phase))) {
      to.step('free_ralph', `ralph:${ralph.name}`, `${ralph.task} went on without it`, { ralph: ralph.name });
    }
  }
}

function whyUnneeded(pass: Pass, vm: Vm): string | null {
  const { world } = pass;
  if (vm.purpose === 'warm' || vm.purpose === 'template' || vm.purpose === 'clone') return null;
  if (vm.purpose === 'setup') {
    const disk = diskOf(world, vm.prepares);
    return disk === null || disk.phase === 'ready' || disk.phase === 'failed' || disk.phase === 'leaving'
      ? 'its disk is made, cannot be made, or is not needed'
      : null;
  }
  if (vm.purpose === 'replay') {
    const replay = world.replays.find((each) => each.id === vm.task);
    return replay !== undefined && isReplayOpen(replay) ? null : 'its replay is over';
  }
  const task = world.tasks.find((t) => t.id === vm.task);
  if (task === undefined) return 'its task is gone';
  return usedIn[vm.purpose].includes(task.phase) ? null : `its task is ${task.phase}`;
}

/**
 * Warm VMs, untouched: wanted while a task is on its way, given up when room is short. Where VMs can be forked, the template comes
 * first. Runs last in a pass.
 */
export function planWarm(pass: Pass): void {
  const { world, to, room } = pass;
  const warm = world.vms.filter((vm) => vm.purpose === 'warm' && isUsable(vm) && !pass.given.has(vm.id));
  const wanted = world.desire === 'up' ? disksToWarm(world) : [];
  for (const vm of warm) {
    if (room.pressed || !wanted.some((disk) => disk.key === vm.disk))
      to.step('release_vm', `vm:${vm.id}`, room.pressed ? 'its room is needed' : 'no task will need it soon', {
        vm: vm.id,
      });
  }
  if (room.pressed) return;
  for (const disk of wanted) {
    const have = warm.filter((vm) => vm.disk === disk.key).length;
    if (have >= world.config.vms.warm || !room.take('warm')) continue;
    to.step('request_vm', `warm:${disk.key}`, 'the next VM on this disk will be needed soon', {
      purpose: 'warm',
      project: null,
      task: null,
      ralph: null,
      disk: disk.key,
      prepares: null,
      warm: null,
      way: wayOf(world, disk),
    });
  }
}

function disksToWarm(world: World): Disk[] {
  return disksSoonNeeded(world).filter((disk) => !mayFork(world, disk) || world.observed.templates?.has(disk.key));
}
