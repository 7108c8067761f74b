import { isInUse, type Snapshot, sayOrigin, snapshotName } from '../domain/snapshot.ts';
import { isOpenToPeople, type Vm, vmName, wantedVm } from '../domain/vm.ts';
import { FleetError } from '../lib/errors.ts';
import { type ActionDeps, type Done, done } from './deps.ts';
import { findSnapshot, findSubject, findVm } from './find-vm.ts';

/** What it made, by the name people use. */
export type Made = Done & { name: string };

/** Wants a snapshot of a VM as it is; the next passes take it. Kept as long as its task, or until it is deleted. */
export function snapshotVm(deps: ActionDeps, word: string, id: string): Made {
  const { store } = deps;
  return store.tx(() => {
    const vm = findVm(deps, word);
    refuseClosed(vm, 'take a snapshot of');
    const under = store.alive.snapshots.rows().find((one) => one.vm === vm.id && one.phase === 'wanted');
    if (under?.why === 'person') {
      return {
        ...done(`\`${snapshotName(under.id)}\` is being taken already.`, vm.task, false),
        name: snapshotName(under.id),
      };
    }
    const snapshot = addSnapshot(deps, vm, { id, why: 'person' });
    const message = `\`${snapshotName(id)}\` is taken of ${sayOrigin(snapshot)}.`;
    return { ...done(message, vm.task), name: snapshotName(id) };
  });
}

/**
 * Wants a copy of a VM, for a person to try something in: of a running one as it is now, of a snapshot, or of the newest snapshot of a
 * task whose VM is gone.
 */
export function cloneVm(deps: ActionDeps, word: string, ids: { vm: string; snapshot: string }): Made {
  const { store, clock } = deps;
  return store.tx(() => {
    if (store.fleet().desire !== 'up') {
      const why = `Cannot clone \`${word.slice(0, 60)}\`: the fleet is ${store.fleet().desire}.`;
      throw new FleetError('refused', why, { remedy: 'ralph-fleet up' });
    }
    const snapshot = snapshotToClone(deps, word, ids.snapshot);
    const { vm, task, n, commit, disk, size, project } = snapshot;
    const origin = { snapshot: snapshot.id, vm, task, n, commit };
    store.vms.insert(wantedVm({ id: ids.vm, purpose: 'clone', project, disk, size, origin }, clock.now()));
    const name = vmName(ids.vm);
    store.events.add('vm.wanted', name, `${name} is wanted: a clone of ${sayOrigin(snapshot)}`);
    return { ...done(`\`${name}\` is made, a clone of ${sayOrigin(snapshot)}.`, null), name };
  });
}

function snapshotToClone(deps: ActionDeps, word: string, id: string): Snapshot {
  const named = findSnapshot(deps, word);
  if (named !== null) {
    if (named.phase === 'ready' || named.phase === 'wanted') return named;
    throw new FleetError('refused', `Cannot clone \`${snapshotName(named.id)}\`: it is \`${named.phase}\`.`);
  }
  const { vm, task } = findSubject(deps, word);
  const [newest] = task === null ? [] : snapshotsOf(deps, task.id).filter(({ phase }) => phase === 'ready');
  if ((vm === null || !isThere(vm)) && newest !== undefined) return newest;
  const found = vm ?? findVm(deps, word);
  refuseClosed(found, 'clone');
  return addSnapshot(deps, found, { id, why: 'clone' });
}

/** Newest first. */
export function snapshotsOf({ store }: Pick<ActionDeps, 'store'>, task: string): Snapshot[] {
  const own = store.alive.snapshots.rows().filter((one) => one.task === task);
  return own.toSorted((a, b) => (b.n ?? 0) - (a.n ?? 0) || b.since - a.since);
}

function addSnapshot({ store, clock }: ActionDeps, vm: Vm, of: Pick<Snapshot, 'id' | 'why'>): Snapshot {
  const task = vm.task === null ? null : store.tasks.get(vm.task);
  const own = store.alive.iterations.rows().filter((it) => it.vm === vm.id && it.role === 'implementer');
  const last = own.toSorted((a, b) => b.n - a.n)[0];
  const snapshot: Snapshot = {
    ...of,
    vm: vm.id,
    project: vm.project,
    task: vm.task,
    iteration: last?.id ?? null,
    n: last?.n ?? vm.origin?.n ?? null,
    commit: task?.head ?? vm.origin?.commit ?? null,
    disk: vm.disk,
    size: vm.size,
    phase: 'wanted',
    failure: null,
    bytes: null,
    since: clock.now(),
  };
  store.snapshots.insert(snapshot);
  return snapshot;
}

/** Removes a person's clone, or a snapshot. What the fleet made for its tasks goes with them. */
export function deleteVm(deps: ActionDeps, word: string): Done {
  const { store, clock } = deps;
  return store.tx(() => {
    const snapshot = findSnapshot(deps, word);
    if (snapshot !== null) {
      const name = snapshotName(snapshot.id);
      if (isInUse(snapshot, { vms: store.alive.vms.rows(), tasks: store.alive.tasks.rows() })) {
        throw new FleetError('refused', `Cannot delete \`${name}\`: a VM is about to start from it.`);
      }
      if (snapshot.phase !== 'leaving') store.snapshots.update(snapshot.id, { phase: 'leaving', since: clock.now() });
      return done(`\`${name}\` is removed.`, snapshot.task);
    }
    const vm = findVm(deps, word);
    const name = vmName(vm.id);
    if (vm.purpose !== 'clone') {
      const whose = vm.task === null ? `it is the fleet's (${vm.purpose})` : `it works on \`${vm.task}\``;
      throw new FleetError('refused', `Cannot delete \`${name}\`: ${whose}.`, {
        remedy: vm.task === null ? 'ralph-fleet down --delete' : `ralph-fleet task pause ${vm.task}`,
      });
    }
    if (vm.desired === 'gone') return done(`\`${name}\` is on its way out already.`, null, false);
    store.vms.update(vm.id, { desired: 'gone' });
    return done(`\`${name}\` and its disk are removed.`);
  });
}

function refuseClosed(vm: Vm, what: string): void {
  const name = vmName(vm.id);
  if (!isOpenToPeople(vm)) {
    throw new FleetError('refused', `Cannot ${what} \`${name}\`: it is a ${vm.purpose} VM, which nobody touches.`, {
      remedy: 'ralph-fleet vm list     (implementer, reviewer and clone VMs can)',
    });
  }
  if (isThere(vm)) return;
  throw new FleetError('vm_not_ready', `Cannot ${what} \`${name}\`: it is \`${vm.phase}\`.`, {
    remedy: 'ralph-fleet vm list     (then the same command once it is ready)',
  });
}

function isThere({ phase, desired }: Vm): boolean {
  return desired !== 'gone' && (phase === 'ready' || phase === 'stopped');
}
