import type { Task } from '../../domain/task.ts';
import { wantedVm } from '../../domain/vm.ts';
import { FleetError, isFleetError } from '../../lib/errors.ts';
import type { StepMap } from '../plan/step.ts';
import { isUsable } from '../plan/world.ts';
import { current } from './current.ts';
import type { ExecuteDeps, Executor } from './deps.ts';
import { thawed } from './hold.ts';

/** Intent before effect: the row is stored first; creating follows from it in a later step. */
export const requestVm: Executor<'request_vm'> = async ({ store, random, clock, config }, data) => {
  store.tx(() => {
    if (isAskedFor(store, data)) return;
    if (data.warm !== null) {
      const warm = store.vms.get(data.warm);
      if (warm === null || warm.purpose !== 'warm' || !isUsable(warm)) return;
      store.vms.update(data.warm, { purpose: data.purpose, project: data.project, task: data.task, ralph: data.ralph });
    } else {
      const id = random.hex(4);
      const { purpose, project, task, ralph, prepares, disk, way, origin = null } = data;
      const size = store.snapshots.get(origin?.snapshot ?? '')?.size ?? config().vms.size;
      store.vms.insert(wantedVm({ id, purpose, project, task, ralph, prepares, disk, way, origin, size }, clock.now()));
      const what = `${data.purpose} VM${data.task === null ? '' : ` of ${data.task}`}`;
      store.events.add('vm.wanted', `rf-${id}`, `rf-${id} (${what}) is wanted`);
    }
    if (data.ralph !== null && data.task !== null) {
      store.ralphs.update(data.ralph, { task: data.task, since: clock.now() });
    }
    if (data.prepares !== null && store.disks.get(data.prepares)?.phase !== 'leaving') {
      const progress = 'its setup VM starts';
      store.disks.update(data.prepares, { phase: 'building', progress, failure: null, since: clock.now() });
    }
  });
};

/** The plan may be older than a VM that was asked for meanwhile. */
function isAskedFor({ alive }: ExecuteDeps['store'], data: StepMap['request_vm']): boolean {
  const { task, purpose, prepares, disk } = data;
  const vms = alive.vms.rows().filter(isUsable);
  if (purpose === 'template') return vms.some((vm) => vm.purpose === 'template' && vm.disk === disk);
  if (prepares !== null) return vms.some((vm) => vm.prepares === prepares);
  return task !== null && vms.some((vm) => vm.task === task && vm.purpose === purpose);
}

export const createVm: Executor<'create_vm'> = async (deps, { vm: id }) => {
  const { store, driver, authorizedKey } = deps;
  const vm = current(deps, id, ['wanted', 'preparing']);
  if (vm === null) return;
  const disk = store.disks.get(vm.disk);
  if (disk?.path === null || disk === null) {
    throw new FleetError(
      'vm_not_ready',
      `Cannot create VM \`rf-${id}\`: its disk \`${vm.disk}\` is ${disk?.phase ?? 'missing'}.`,
    );
  }
  if (!(await deps.isThere(disk.path))) {
    store.disks.update(disk.key, { phase: 'wanted', path: null, attempts: 0, since: deps.clock.now() });
    throw new FleetError(
      'vm_not_ready',
      `Cannot create VM \`rf-${id}\`: \`${disk.path}\` was deleted; it is made again.`,
    );
  }
  if (vm.phase === 'wanted') store.moveVm(id, 'preparing');
  const snapshot = vm.origin?.snapshot ?? null;
  await driver.create({ id, disk: disk.key, base: disk.path, boot: disk.boot, size: vm.size, authorizedKey, snapshot });
  if (current(deps, id, ['preparing'])) store.moveVm(id, 'starting');
};

/** Never onto a new disk: what counts is the work on the old one. */
export const redefineVm: Executor<'redefine_vm'> = async (deps, { vm: id }) => {
  const { store, driver, authorizedKey } = deps;
  const vm = current(deps, id, ['stopped', 'starting']);
  if (vm === null) return;
  const disk = store.disks.get(vm.disk);
  if (disk?.path === null || disk === null) {
    throw new FleetError('vm_not_ready', `Cannot define VM \`rf-${id}\` again: the disk under its own is gone.`);
  }
  await driver.redefine({ id, disk: disk.key, base: disk.path, boot: disk.boot, size: vm.size, authorizedKey });
  const text = `rf-${id} was undefined from outside; it is defined again to save the work on its disk`;
  store.events.add('vm.redefined', `rf-${id}`, text);
};

/** Its guest's clock has stood still meanwhile. */
export const resumeVm: Executor<'resume_vm'> = async (deps, { vm: id }) => {
  const { store, driver, clock, log } = deps;
  const vm = current(deps, id, ['identifying', 'ready', 'paused']);
  if (vm === null) return;
  await driver.resume(id);
  await driver.setTime(id, clock.now()).catch((err) => log.warn({ vm: id, err }, 'the clock of a guest was not set'));
  if (vm.phase === 'paused') {
    thawed(deps, id);
    return;
  }
  // One that is paused again and again (a full disk does that) is said once.
  if (store.events.of(`rf-${id}`, 1)[0]?.kind !== 'vm.resumed')
    store.events.add('vm.resumed', `rf-${id}`, `rf-${id} was suspended from outside; it goes on`);
};

export const startVm: Executor<'start_vm'> = async (deps, { vm: id }) => {
  const vm = current(deps, id, ['starting', 'stopped']);
  if (vm === null) return;
  if (vm.phase === 'stopped') deps.store.moveVm(id, 'starting', { way: 'boot' });
  await deps.driver.start(id);
  if (current(deps, id, ['starting'])) {
    deps.store.moveVm(id, 'identifying', { stage: 'process', stageSince: deps.clock.now() });
  }
};

export const stopVm: Executor<'stop_vm'> = async (deps, { vm: id }) => {
  const vm = current(deps, id, ['ready', 'paused', 'stopping']);
  if (vm === null) return;
  if (vm.phase !== 'stopping') deps.store.moveVm(id, 'stopping');
  await closeTunnel(deps, id);
  deps.guests.forget(id);
  await deps.driver.stop(id, 20_000);
  if (current(deps, id, ['stopping'])) deps.store.moveVm(id, 'stopped', { stage: null });
};

export const failVm: Executor<'fail_vm'> = async (deps, { vm: id, reason }) => {
  const { store } = deps;
  const vm = store.vms.get(id);
  if (vm === null || vm.phase === 'failed' || vm.phase === 'gone' || vm.phase === 'deleting') return;
  const console = await deps.driver.consoleTail(id, 2000).catch(() => '');
  deps.log.warn({ vm: id, reason, console }, 'a VM failed');
  store.tx(() => {
    store.moveVm(id, 'failed', { failure: lastLines(reason, console) });
    const task = vm.task === null ? null : store.tasks.get(vm.task);
    if (task !== null) store.tasks.update(task.id, { uncounted: task.uncounted + 1 });
    if (task !== null && vm.origin !== null) withoutDisk(deps, task);
    const replay = vm.purpose === 'replay' && vm.task !== null ? store.replays.get(vm.task) : null;
    // A run in it counts for itself when it is ended.
    if (replay !== null && !replay.runs.some((run) => run.vm === id && run.phase === 'running'))
      store.replays.update(replay.id, { attempts: replay.attempts + 1 });
    if (vm.purpose === 'template') countForkFailure(deps, vm.disk);
    const disk = vm.prepares === null ? null : store.disks.get(vm.prepares);
    if (disk !== null && disk.phase !== 'ready' && disk.phase !== 'leaving') {
      store.disks.update(disk.key, {
        phase: 'failed',
        failure: reason,
        attempts: disk.attempts + 1,
        since: deps.clock.now(),
      });
    }
  });
};

/** The VM of a task that was put back did not come: the change is what counts. */
function withoutDisk({ store }: ExecuteDeps, { id, rewind }: Task): void {
  if (rewind === null || rewind.snapshot === null) return;
  store.tasks.update(id, { rewind: { ...rewind, snapshot: null } });
  store.events.add('task.rewound', id, `${id} goes on from its change on a fresh disk: a VM of the kept one failed.`);
}

/** `failure` says that it was revived once; it is cleared when the work is saved. */
export const reviveVm: Executor<'revive_vm'> = async (deps, { vm: id, reason }) => {
  if (current(deps, id, ['ready', 'paused']) === null) return;
  deps.log.warn({ vm: id, reason }, 'a VM with work on its disk is started again');
  deps.guests.forget(id);
  await deps.driver.stop(id, 0);
  if (current(deps, id, ['ready', 'paused'])) deps.store.moveVm(id, 'stopped', { failure: reason, stage: null });
};

export const releaseVm: Executor<'release_vm'> = async ({ store }, { vm: id }) => {
  if (store.vms.get(id)?.desired !== 'gone') store.vms.update(id, { desired: 'gone' });
};

export const deleteVm: Executor<'delete_vm'> = async (deps, { vm: id }) => {
  const { store } = deps;
  const vm = store.vms.get(id);
  if (vm === null || vm.phase === 'gone') return;
  // The plan may be older than an iteration that was started in it.
  if (store.alive.iterations.rows().some((it) => it.vm === id && it.phase !== 'ended')) return 'waits';
  if (vm.phase !== 'deleting') store.moveVm(id, 'deleting', { desired: 'gone' });
  await closeTunnel(deps, id);
  deps.guests.forget(id);
  await deps.driver.stop(id, 0);
  await deps.driver.remove(id);
  store.moveVm(id, 'gone');
};

export const closeTunnelStep: Executor<'close_tunnel'> = async ({ gateway }, { vm }) => gateway.closeTunnel(vm);

/** A list of VMs may be a moment older than the rows. */
const settledMs = 60_000;

/** What carries our mark and no intent: a row rolled back, or a store restored from a copy. Reported, then removed. */
export const reclaimVm: Executor<'reclaim_vm'> = async (deps, { vm: id }) => {
  const known = deps.store.vms.get(id);
  if (known !== null && (known.phase !== 'gone' || deps.clock.now() - known.since < settledMs)) return 'waits';
  deps.log.warn({ vm: id }, 'a VM with our mark that nothing asked for is removed');
  await deps.driver.stop(id, 0);
  await deps.driver.remove(id);
  deps.store.events.add(
    'vm.reclaimed',
    `rf-${id}`,
    `rf-${id} carried our mark, but nothing had asked for it; it was removed`,
  );
};

/** A template that is not made, or a fork that comes to nothing, keeps the next one back for a while. */
export function countForkFailure({ store, clock }: Pick<ExecuteDeps, 'store' | 'clock'>, key: string): void {
  const disk = store.disks.get(key);
  if (disk === null) return;
  store.disks.update(key, { forkFailures: disk.forkFailures + 1, forkFailedAt: clock.now() });
}

/** With it ends what was open to the VM through it. */
export async function closeTunnel(deps: ExecuteDeps, id: string): Promise<void> {
  try {
    await deps.gateway.closeTunnel(id);
  } catch (error) {
    if (!isFleetError(error, 'gateway_unavailable')) throw error;
    // A gateway that is away drops the tunnel itself once the VM's socket is gone.
    deps.log.warn({ vm: id, err: error }, 'the gateway could not be told that a VM goes');
  }
}

function lastLines(reason: string, console: string): string {
  const lines = console.trim().split('\n').slice(-5).join('\n');
  return lines === '' ? reason : `${reason}\nconsole:\n${lines}`;
}
