import type { CheckRun } from '../../domain/check.ts';
import { countsAsAttempt, type Iteration } from '../../domain/iteration.ts';
import { nextQuestion } from '../../domain/question.ts';
import type { Task } from '../../domain/task.ts';
import type { Vm } from '../../domain/vm.ts';
import { parkIfStopped } from './budget.ts';
import { findRun, infraRuns, maxInfraRuns } from './checks.ts';
import { parkWithoutCredential } from './credential.ts';
import { decideAfterIteration, waitForAnswer } from './decide.ts';
import { parkIfLimited, waitAfterOutage } from './limits.ts';
import { decide } from './move.ts';
import { needVm, needWorkspace, type Pass } from './need-vm.ts';
import { keepIteration } from './snapshots.ts';
import { lastIteration, openIteration, type World } from './world.ts';

/** claimed: a VM on the project's disk, the workspace in it, the baseline checks; then implementing. */
export function planClaimed(pass: Pass, task: Task): void {
  if (openIteration(pass.world, task.id) !== null) {
    // Its workspace is in use; seeding it now would overwrite what is not saved yet.
    pass.to.wait(task.id, 'its last iteration is still being ended');
    return;
  }
  const vm = needVm(pass, task, 'implementer', task.ralph);
  if (vm === null || task.base === null) return;
  if (!needWorkspace(pass, task, vm, 'work', task.head ?? task.base)) return;
  const baseline = findRun(pass.world, { task: task.id, kind: 'baseline', base: task.base });
  const failedRuns = infraRuns(pass.world.checkRuns, task.since, (r) => r.task === task.id && r.kind === 'baseline');
  if (baseline === null || baseline.phase === 'infra' || baseline.phase === 'wanted') {
    // It is there to be compared with; a task is not held up for ever for want of it.
    if (task.head === null && failedRuns < maxInfraRuns) {
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
    if (keepIteration(pass, task, last) === 'not yet') return;
    const checks = checksAfter(pass, task, last);
    if (checks === 'not yet') return;
    const refused = whyRefused(pass.world, task);
    decide(pass, task, decideAfterIteration(task, last, { checks, refused }, pass.world));
    return;
  }
  if (task.base === null || task.ralph === null) return;
  if (nextQuestion(task.questions)?.blocking) {
    decide(pass, task, waitForAnswer(task));
    return;
  }
  if (task.iterations >= task.limits.iterations) {
    const reason = `${task.iterations} iterations, the limit, and it is not done`;
    decide(pass, task, { to: 'stalled', reason, notes: [], patch: {} });
    return;
  }
  if (parkIfStopped(pass, task, 'implementer', task.ralph) || parkWithoutCredential(pass, task)) return;
  if (parkIfLimited(pass, task) || waitAfterOutage(pass, task, last)) return;
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
function checksAfter(pass: Pass, task: Task, { id: iteration, outcome }: Iteration): CheckRun | null | 'not yet' {
  // What the last call before a limit left behind may be all that was wanted.
  const isLooked =
    outcome !== null && (countsAsAttempt(outcome) || outcome === 'over_budget' || outcome === 'rate_limited');
  if (!isLooked || task.head === null) return null;
  const run = findRun(pass.world, { task: task.id, kind: 'loop', iteration });
  if (run?.phase === 'running') return 'not yet';
  const failedRuns = infraRuns(pass.world.checkRuns, 0, (r) => r.iteration === iteration);
  const isWanted = run === null || run.phase === 'wanted' || (run.phase === 'infra' && failedRuns < maxInfraRuns);
  if (!isWanted) return run;
  // Where its VM is lost, another one takes the saved work: what is complete is not thrown away with the VM.
  const vm = needVm(pass, task, 'implementer', task.ralph);
  if (vm === null) return 'not yet';
  if (vm.seeded['work'] === undefined && !needWorkspace(pass, task, vm, 'work', task.head)) return 'not yet';
  startChecks(pass, task, vm, 'loop', task.head, iteration);
  return 'not yet';
}

/** Why this very commit was sent back before, or null. */
function whyRefused(world: World, { id, head, base }: Task): string | null {
  const failed = (run: CheckRun) => run.task === id && run.kind === 'verify' && run.phase === 'failed';
  if (world.checkRuns.some((run) => failed(run) && run.commit === head && run.base === base))
    return 'its checks fail in a clean VM';
  if (world.reviews.some((r) => r.task === id && r.commit === head && r.phase === 'changes_requested'))
    return 'the reviewer asked for changes';
  if (world.approvals.some((a) => a.task === id && a.commit === head && a.decision === 'reject'))
    return 'you asked for changes';
  return null;
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
