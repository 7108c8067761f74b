import type { VmView } from '../contract/fleet-view.ts';
import { type Vm, vmName } from '../domain/vm.ts';
import { toIso } from '../lib/clock.ts';
import type { QueryDeps } from './deps.ts';

export function vmView(deps: QueryDeps, vm: Vm): VmView {
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
  };
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
