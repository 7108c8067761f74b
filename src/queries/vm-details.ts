import type { SnapshotView, VmDetails } from '../contract/vms.ts';
import { type Snapshot, snapshotName } from '../domain/snapshot.ts';
import type { Vm } from '../domain/vm.ts';
import { toIso } from '../lib/clock.ts';
import type { QueryDeps } from './deps.ts';
import { vmView } from './vm-view.ts';

/** A VM with its snapshots, or those of a task that has no VM now. `diskBytes`: what the driver says of disks, by VM. */
export function vmDetails(
  deps: QueryDeps,
  { vm, task }: { vm: Vm | null; task: string | null },
  diskBytes: ReadonlyMap<string, number>,
): VmDetails {
  const rows = deps.store.alive.snapshots.rows();
  const own = rows.filter((one) => one.vm === vm?.id || (task !== null && one.task === task));
  const newestFirst = own.toSorted((a, b) => (b.n ?? 0) - (a.n ?? 0) || b.since - a.since);
  return {
    vm: vm === null ? null : vmView(deps, vm, diskBytes.get(vm.id) ?? null),
    task,
    snapshots: newestFirst.map((one) => snapshotView(deps, one)),
    works: vm === null ? null : worksIn(deps, vm),
  };
}

function snapshotView({ store }: QueryDeps, snapshot: Snapshot): SnapshotView {
  const { id, vm, task, why, n, commit, phase, bytes, failure, iteration } = snapshot;
  const runs = iteration === null ? [] : store.checkRuns.list("WHERE iteration = ? AND phase = 'passed'", iteration);
  const good = why === 'iteration' && runs.some((run) => run.kind === 'loop');
  return {
    id,
    name: snapshotName(id),
    vm,
    task,
    why,
    n,
    commit,
    phase,
    since: toIso(snapshot.since),
    bytes,
    failure,
    good,
  };
}

/** Who would notice what a person does there. */
export function worksIn({ store }: QueryDeps, vm: Vm): string | null {
  const open = store.alive.iterations.rows().find((it) => it.vm === vm.id && it.phase !== 'ended');
  if (open !== undefined) return `${open.ralph} works there (${open.task}, iteration ${open.n})`;
  const run = store.alive.checkRuns.rows().find((one) => one.vm === vm.id && one.phase === 'running');
  return run === undefined ? null : `checks of ${run.task} run there`;
}
