import { isInUse, type Snapshot, sayOrigin, snapshotName } from '../../domain/snapshot.ts';
import { isEnded } from '../../domain/task.ts';
import { type Vm, vmName } from '../../domain/vm.ts';
import { formatError, isAbort, isFleetError } from '../../lib/errors.ts';
import { readyVm } from './address.ts';
import type { ExecuteDeps, Executor } from './deps.ts';
import { saveWork } from './save.ts';

/** Intent before effect: the row first; taking it follows from that. */
export const wantSnapshot: Executor<'want_snapshot'> = async ({ store, random, clock }, { iteration: id, vm: of }) => {
  store.tx(() => {
    const iteration = store.iterations.get(id);
    const vm = store.vms.get(of);
    if (iteration?.phase !== 'ended' || vm === null || vm.phase !== 'ready') return;
    if (store.alive.snapshots.rows().some((one) => one.iteration === id && one.why === 'iteration')) return;
    store.snapshots.insert({
      ...{ id: random.hex(4), vm: of, project: vm.project, task: iteration.task, why: 'iteration', iteration: id },
      ...{ n: iteration.n, commit: iteration.savedCommit, disk: vm.disk, size: vm.size },
      ...{ phase: 'wanted', failure: null, bytes: null, since: clock.now() },
    });
  });
};

/**
 * The guest writes out what it holds, stands still for the copy, and goes on with its clock set. What cannot be taken (no room on the host's
 * disk) is done without and said: nobody waits for a snapshot.
 */
export const takeSnapshot: Executor<'take_snapshot'> = async (deps, { snapshot: id, vm: of }) => {
  const { store, driver, log } = deps;
  const vm = store.vms.get(of);
  if (store.snapshots.get(id)?.phase !== 'wanted' || vm === null) return;
  if (vm.phase !== 'ready' && vm.phase !== 'stopped') return 'waits';
  try {
    if (vm.phase === 'ready') await writeOut(deps, id, vm);
    await driver.snapshot(of, id);
  } catch (error) {
    if (!isFleetError(error) || isAbort(error) || passes.includes(error.code)) throw error;
    log.warn({ vm: of, snapshot: id, err: error }, 'a snapshot could not be taken');
    note(deps, id, { phase: 'failed', failure: formatError(error) });
    return;
  }
  await setClock(deps, vm);
  const bytes = (await driver.space()).snapshots.get(id) ?? null;
  note(deps, id, { phase: 'ready', bytes });
};

/** Tried again. */
const passes: readonly string[] = ['driver_unavailable', 'guest_unreachable', 'guest_timed_out'];

/** Disk and change together: in the midst of an iteration its work is saved first. */
async function writeOut(deps: ExecuteDeps, id: string, vm: Vm): Promise<void> {
  const { store, driver, guests, clock } = deps;
  // A daemon that died in a copy left it standing still.
  await driver.resume(vm.id);
  const at = readyVm(deps, vm.id);
  if (at === null) return;
  const open = store.alive.iterations.rows().find((it) => it.vm === vm.id && it.phase !== 'ended');
  if (open?.role === 'implementer') {
    const { head, tree } = await saveWork(deps, open, at.address);
    store.tx(() => {
      if (head === null || store.snapshots.get(id)?.phase !== 'wanted') return;
      store.snapshots.update(id, { commit: head });
      if (store.iterations.mustGet(open.id).phase === 'ended') return;
      store.iterations.update(open.id, { savedAt: clock.now(), savedCommit: head, savedTree: tree });
      store.tasks.update(open.task, { head });
    });
  }
  await guests.sync(at.address);
}

async function setClock({ driver, clock, log }: ExecuteDeps, { id, phase }: Vm): Promise<void> {
  if (phase !== 'ready') return;
  await driver.setTime(id, clock.now()).catch((err) => log.warn({ vm: id, err }, 'the clock of a guest was not set'));
}

function note({ store, clock }: ExecuteDeps, id: string, how: Partial<Snapshot>): void {
  store.tx(() => {
    const snapshot = store.snapshots.get(id);
    if (snapshot?.phase !== 'wanted') return;
    store.snapshots.update(id, { ...how, since: clock.now() });
    const what = `the snapshot ${snapshotName(id)} of ${sayOrigin(snapshot)}`;
    const text = how.phase === 'ready' ? `${what} is there` : `${what} could not be taken: ${how.failure}`;
    store.events.add(`snapshot.${how.phase}`, snapshot.task ?? vmName(snapshot.vm), text);
  });
}

/** Also of one that no row knows. What is still to be taken of a VM that is gone has failed, where somebody waits for it. */
export const dropSnapshot: Executor<'drop_snapshot'> = async (deps, { snapshot: id }) => {
  const { store, driver, clock } = deps;
  const snapshot = store.snapshots.get(id);
  if (snapshot !== null && isInUse(snapshot, { vms: store.alive.vms.rows(), tasks: store.alive.tasks.rows() }))
    return note(deps, id, { phase: 'failed', failure: 'its VM is gone' });
  if (snapshot !== null && snapshot.phase !== 'leaving')
    store.snapshots.update(id, { phase: 'leaving', since: clock.now() });
  await driver.dropSnapshot(id);
  if (store.snapshots.get(id)?.phase === 'leaving') store.snapshots.remove(id);
};

/** Nothing runs for the task any more, its work is saved: the change goes back, and the VMs it had are given back. */
export const rewindTask: Executor<'rewind_task'> = async (deps, { task: id }) => {
  const { store, changes } = deps;
  const task = store.tasks.get(id);
  if (task === null || task.rewind === null || task.rewind.isDone || isEnded(task.phase)) return;
  if (store.alive.iterations.rows().some((it) => it.task === id && it.phase !== 'ended')) return 'waits';
  const { commit, to } = task.rewind;
  const { head, base, kept } = await changes.rewind(task.project, id, { from: task.head, to: commit });
  store.tx(() => {
    const now = store.tasks.get(id);
    if (now === null || now.rewind === null || now.rewind.isDone || isEnded(now.phase)) return;
    const [last] = store.iterations.list("WHERE task = ? AND role = 'implementer' ORDER BY n DESC LIMIT 1", id);
    store.tasks.update(id, { head, base, rewind: { ...now.rewind, isDone: true }, judged: last?.id ?? null });
    for (const vm of store.alive.vms.rows())
      if (vm.task === id && vm.purpose !== 'clone') store.vms.update(vm.id, { desired: 'gone' });
    const where = to === 0 ? 'its beginning' : `iteration ${to}`;
    const branch = kept === null ? 'there was nothing to keep' : `what it had is kept as the branch ${kept}`;
    store.events.add('task.rewound', id, `${id} is back at ${where}; ${branch}.`);
  });
};
