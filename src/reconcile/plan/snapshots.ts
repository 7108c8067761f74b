import type { Iteration } from '../../domain/iteration.ts';
import { isInUse, type Snapshot, snapshotName, snapshotsToDrop } from '../../domain/snapshot.ts';
import { isEnded, type Task } from '../../domain/task.ts';
import { findRun } from './checks.ts';
import type { Pass } from './need-vm.ts';
import { seenOf } from './seen.ts';
import { isUsable, type World } from './world.ts';

/** Taken, let go of by policy, and removed when nobody knows them. Runs after all that asks for VMs. */
export function planSnapshots(pass: Pass): void {
  const { world, to } = pass;
  const unneeded = unneededSnapshots(world);
  const drop = (id: string, why: string) => to.step('drop_snapshot', `snapshot:${id}`, why, { snapshot: id });
  for (const snapshot of world.snapshots) {
    const { id, phase } = snapshot;
    if (phase === 'wanted') planWanted(pass, snapshot, drop);
    else if (isInUse(snapshot, world)) continue;
    else if (phase === 'leaving') drop(id, 'nobody needs it');
    else if (unneeded.has(snapshot)) drop(id, unneeded.get(snapshot) ?? '');
    else if (phase === 'ready' && isLost(world, snapshot)) drop(id, 'its file is gone');
  }
  for (const id of world.observed.snapshots?.keys() ?? []) {
    if (!world.snapshots.some((snapshot) => snapshot.id === id)) drop(id, 'nothing asked for it');
  }
}

function planWanted({ world, to }: Pass, snapshot: Snapshot, drop: (id: string, why: string) => void): void {
  const vm = world.vms.find((each) => each.id === snapshot.vm);
  const step = { snapshot: snapshot.id, vm: snapshot.vm };
  if (vm === undefined || !isUsable(vm)) drop(snapshot.id, 'its VM is gone');
  else if (vm.phase === 'ready' || vm.phase === 'stopped') {
    const why = snapshot.why === 'iteration' ? `iteration ${snapshot.n} ended` : 'you asked for it';
    to.step('take_snapshot', `vm:${vm.id}`, why, step);
  } else to.wait(snapshotName(snapshot.id), `waits for rf-${vm.id}, which is ${vm.phase}`);
}

/** A file that went without us. A row that is newer than the look says nothing. */
function isLost({ observed }: World, { id, since }: Snapshot): boolean {
  return observed.snapshots !== null && since < observed.askedAt && observed.snapshots.get(id) !== true;
}

/** With the reason of each. */
export function unneededSnapshots(world: World): Map<Snapshot, string> {
  const unneeded = new Map<Snapshot, string>();
  for (const snapshot of world.snapshots) {
    const task = world.tasks.find((each) => each.id === snapshot.task);
    if (world.desire === 'deleted') unneeded.set(snapshot, 'the fleet is removed');
    else if (snapshot.why === 'clone') unneeded.set(snapshot, 'its clone is made');
    else if (snapshot.task !== null && (task === undefined || isEnded(task.phase)) && task?.phase !== 'failed')
      unneeded.set(snapshot, `${snapshot.task} has ended`);
  }
  const keep = world.config.vms.snapshots;
  const sparing = isDiskShort(world);
  const policy = sparing
    ? 'the disk fills: the last good one is kept'
    : `the last ${keep} and the last good one are kept`;
  const isGood = (iteration: string) =>
    world.checkRuns.some((run) => run.iteration === iteration && run.kind === 'loop' && run.phase === 'passed');
  for (const { id, phase } of world.tasks) {
    // Of one that failed nobody remembers here which were good; `gc` knows.
    if (phase === 'failed') continue;
    const own = world.snapshots.filter((snapshot) => snapshot.task === id);
    for (const one of snapshotsToDrop(own, { keep, isGood, sparing })) unneeded.set(one, policy);
  }
  return unneeded;
}

/** The one that snapshots stand on. */
function isDiskShort({ observed: { host } }: World): boolean {
  const neededMiB = host?.pressure?.of === 'disk' ? host.pressure.neededMiB : null;
  if (host == null || neededMiB === null) return false;
  return host.disks.some(({ uses, freeMiB }) => uses.includes('vms') && freeMiB < neededMiB);
}

/**
 * After each iteration whose work was saved, before its checks run: nothing moves in the guest then, and the disk is what the commit was
 * saved from. Never holds a task up: what cannot be taken is done without.
 */
export function keepIteration(pass: Pass, task: Task, last: Iteration): 'done' | 'not yet' {
  const { world, to } = pass;
  if (world.config.vms.snapshots === 0 || last.savedCommit === null || isDiskShort(world)) return 'done';
  const taken = world.snapshots.find((snapshot) => snapshot.iteration === last.id && snapshot.why === 'iteration');
  if (taken !== undefined) return taken.phase === 'wanted' ? 'not yet' : 'done';
  // Its checks are under way, or over.
  if (findRun(world, { task: task.id, kind: 'loop', iteration: last.id }) !== null) return 'done';
  const vm = world.vms.find((each) => each.id === last.vm);
  if (vm === undefined || !isUsable(vm) || vm.phase !== 'ready') return 'done';
  const seen = seenOf(world, vm);
  if (seen === 'running')
    to.step('want_snapshot', `task:${task.id}`, `iteration ${last.n} ended`, { iteration: last.id, vm: vm.id });
  return seen === 'running' || seen === 'unknown' ? 'not yet' : 'done';
}

/** A task that a person put back: first what runs for it ends and is saved, then its change goes back and its VM. */
export function planRewind({ world, to }: Pass, task: Task): void {
  const isBusy =
    world.iterations.some((it) => it.task === task.id && it.phase !== 'ended') ||
    world.checkRuns.some((run) => run.task === task.id && run.phase === 'running');
  if (isBusy) to.wait(task.id, `goes back to iteration ${task.rewind?.to} once what runs for it is saved`);
  else to.step('rewind_task', `task:${task.id}`, 'you put it back', { task: task.id });
}

export function isRewinding(task: Pick<Task, 'rewind' | 'phase'>): boolean {
  return task.rewind !== null && !task.rewind.isDone && !isEnded(task.phase);
}
