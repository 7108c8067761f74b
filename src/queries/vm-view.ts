import type { VmView } from '../contract/fleet-view.ts';
import { type Snapshot, sayOrigin } from '../domain/snapshot.ts';
import { type Vm, vmName } from '../domain/vm.ts';
import { toIso } from '../lib/clock.ts';
import type { QueryDeps } from './deps.ts';

/** `diskBytes`: where somebody has asked the driver. */
export function vmView(deps: QueryDeps, vm: Vm, diskBytes: number | null = null): VmView {
  const kept = snapshotsOf(deps, vm);
  const driver = deps.live.driver();
  return {
    id: vm.id,
    name: vmName(vm.id),
    role: vm.purpose,
    phase: vm.phase,
    since: toIso(vm.since),
    stage: vm.stage,
    driver: driver.name,
    way: vm.way,
    accel: driver.accel,
    sshPort: null,
    project: vm.project,
    task: vm.task,
    ralph: vm.ralph,
    cpus: vm.size.cpus,
    memoryMiB: vm.size.memoryMiB,
    waitsFor: waitOfVm(deps, vm),
    failure: vm.failure,
    origin: vm.origin === null ? null : sayOrigin(vm.origin),
    diskBytes,
    snapshots: { count: kept.length, bytes: kept.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0) },
  };
}

/** Of a VM that works on a task: those of the task's earlier VMs too. */
function snapshotsOf({ store }: QueryDeps, vm: Vm): Snapshot[] {
  const isOfTask = vm.purpose === 'implementer' && vm.task !== null;
  return store.alive.snapshots.rows().filter((one) => (isOfTask ? one.task === vm.task : one.vm === vm.id));
}

/**
 * Why it does not move: a step that keeps failing, or what the planner said in its last pass of the VM, of the task whose work
 * is in it, or, on the way down, of the fleet.
 */
export function waitOfVm({ live, store }: QueryDeps, vm: Vm): string | null {
  const trouble = live.problems().find((problem) => problem.vm === vm.id);
  if (trouble !== undefined) return trouble.what;
  const waits = live.lastPass()?.waits ?? [];
  const said = (subject: string | undefined) => waits.find((wait) => wait.subject === subject)?.reason;
  const [work] = store.iterations.list("WHERE vm = ? AND phase <> 'ended' LIMIT 1", vm.id);
  const ofFleet = store.fleet().desire === 'up' ? undefined : said('fleet');
  const ofWork = vm.phase === 'ready' || work === undefined ? said(work?.task) : 'it is started to save the work in it';
  return said(vm.id) ?? ofWork ?? ofFleet ?? null;
}
