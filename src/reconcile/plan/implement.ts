import type { Task } from '../../domain/task.ts';
import type { Vm } from '../../domain/vm.ts';
import { findRun } from './checks.ts';
import { type Decision, decideAfterIteration } from './decide.ts';
import { needVm, needWorkspace, type Pass } from './need-vm.ts';
import { diskOf, findVm, lastIteration, openIteration } from './world.ts';

/** claimed: a VM on the project's disk, the workspace in it, the baseline checks; then implementing. */
export function planClaimed(pass: Pass, task: Task): void {
  if (task.uncounted >= task.limits.uncounted) {
    decide(pass, task, {
      to: 'blocked',
      reason: `${task.uncounted} starts failed for reasons outside the task`,
      notes: [],
      patch: {},
    });
    return;
  }
  const disk = diskOf(pass.world, task.disk);
  if (disk?.phase === 'failed' && disk.attempts >= 3) {
    decide(pass, task, {
      to: 'blocked',
      reason: `its disk could not be made: ${disk.failure ?? 'no reason known'}`,
      notes: [],
      patch: {},
    });
    return;
  }
  const vm = needVm(pass, task, 'implementer', task.ralph);
  if (vm === null || task.base === null) return;
  if (!needWorkspace(pass, task, vm, 'work', task.head ?? task.base)) return;
  const baseline = findRun(pass.world, { task: task.id, kind: 'baseline', base: task.base });
  if (baseline === null || baseline.phase === 'infra' || baseline.phase === 'wanted') {
    if (task.head === null) {
      startChecks(pass, task, vm, 'baseline', task.base, null);
      return;
    }
  } else if (baseline.phase === 'running') return;
  pass.to.step('move_task', `task:${task.id}`, 'its VM and workspace are ready', {
    task: task.id,
    from: 'claimed',
    to: 'implementing',
    reason: null,
  });
}

/** implementing: iterate; after each iteration run the checks in the same VM, then decide. */
export function planImplementing(pass: Pass, task: Task): void {
  if (openIteration(pass.world, task.id) !== null) return;
  const last = lastIteration(pass.world, task.id, 'implementer');
  if (last !== null && last.id !== task.judged) {
    const ready = checksAfter(pass, task, last.id, last.outcome);
    if (ready === 'not yet') return;
    decide(pass, task, decideAfterIteration(task, last, ready, pass.world.now));
    return;
  }
  if (task.base === null || task.ralph === null) return;
  const vm = needVm(pass, task, 'implementer', task.ralph);
  if (vm === null) return;
  if (pass.world.paused) {
    pass.to.wait(task.id, 'the fleet is paused; `ralph-fleet resume` goes on');
    return;
  }
  if (Object.keys(vm.seeded).length === 0 && !needWorkspace(pass, task, vm, 'work', task.head ?? task.base)) return;
  pass.to.step('start_iteration', `task:${task.id}`, `iteration ${task.iterations + 1} of ${task.limits.iterations}`, {
    task: task.id,
    vm: vm.id,
    ralph: task.ralph,
    role: 'implementer',
    review: null,
  });
}

/** The loop checks after an iteration: the run, null when there can be none, or 'not yet' while they are under way. */
function checksAfter(pass: Pass, task: Task, iteration: string, outcome: string | null) {
  if (outcome === 'infra' || outcome === 'over_budget' || outcome === 'rate_limited') return null;
  const vm = findVm(pass.world, task.id, 'implementer');
  const run = findRun(pass.world, { task: task.id, kind: 'loop', iteration });
  if (run?.phase === 'running') return 'not yet' as const;
  if (run !== null && run.phase !== 'wanted') return run;
  if (vm === null || vm.phase === 'stopped' || task.head === null) return null;
  if (vm.phase !== 'ready') {
    pass.to.wait(task.id, `waits for rf-${vm.id}, which is ${vm.phase}`);
    return 'not yet' as const;
  }
  startChecks(pass, task, vm, 'loop', task.head, iteration);
  return 'not yet' as const;
}

function startChecks(
  pass: Pass,
  task: Task,
  vm: Vm,
  kind: 'baseline' | 'loop',
  commit: string,
  iteration: string | null,
): void {
  pass.to.step(
    'start_checks',
    `task:${task.id}`,
    kind === 'baseline' ? 'what passes before the first token is spent?' : 'does it pass now?',
    {
      task: task.id,
      vm: vm.id,
      kind,
      variant: 'as-committed',
      commit,
      base: task.base ?? commit,
      iteration,
    },
  );
}

export function decide(pass: Pass, task: Task, decision: Decision): void {
  pass.to.step('move_task', `task:${task.id}`, decision.reason ?? `goes on to ${decision.to}`, {
    task: task.id,
    from: task.phase,
    to: decision.to,
    reason: decision.reason,
    notes: decision.notes,
    patch: decision.patch,
    ...(decision.until === undefined ? {} : { until: decision.until }),
  });
}
