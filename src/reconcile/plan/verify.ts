import type { CheckRun } from '../../domain/check.ts';
import { findFlaky } from '../../domain/flaky.ts';
import type { Task } from '../../domain/task.ts';
import type { Vm } from '../../domain/vm.ts';
import { findRun, infraRuns, maxInfraRuns } from './checks.ts';
import { notesFromChecks } from './decide.ts';
import { decide } from './move.ts';
import { needVm, needWorkspace, type Pass } from './need-vm.ts';
import { openIteration, type World } from './world.ts';

/**
 * verifying: the controller runs every check itself, in a VM no agent has touched, on the exact commit: as committed, then with
 * the protected paths put back to the base. Both must pass.
 */
export function planVerifying(pass: Pass, task: Task): void {
  const { world, to } = pass;
  const { head, base } = task;
  if (head === null || base === null || openIteration(world, task.id) !== null) return;
  const at = { task: task.id, kind: 'verify', commit: head, base } as const;
  const asCommitted = findRun(world, { ...at, variant: 'as-committed' });
  const restored = findRun(world, { ...at, variant: 'restored' });
  const failed = [asCommitted, restored].find((run) => run?.phase === 'failed');
  const again = failed && isDoubtful(world, failed) ? failed : null;
  if (failed && again === null) {
    const flaky = findFlaky(world.checkRuns.filter((run) => run.task === task.id && run.commit === head));
    const reason = 'its checks fail in a clean VM';
    decide(pass, task, { to: 'ready', reason, notes: notesFromChecks(task, failed, world, flaky), patch: {} });
    return;
  }
  const failedRuns = infraRuns(world.checkRuns, task.since, (r) => r.task === task.id && r.kind === 'verify');
  if (failedRuns >= maxInfraRuns) {
    decide(pass, task, {
      to: 'blocked',
      reason: `it could not be verified: ${asCommitted?.failure ?? restored?.failure ?? 'the VMs failed'}`,
      notes: [],
      patch: {},
    });
    return;
  }
  if (asCommitted?.phase === 'passed' && restored?.phase === 'passed') {
    onward(pass, task);
    return;
  }
  if (asCommitted?.phase === 'running' || restored?.phase === 'running') return;
  const vm = needVm(pass, task, 'verifier', null);
  if (vm === null) return;
  if (!isClean(world, vm, head)) {
    to.step('release_vm', `vm:${vm.id}`, 'not clean any more', { vm: vm.id });
    return;
  }
  const variant = asCommitted?.phase === 'passed' ? 'restored' : 'as-committed';
  const why =
    again !== null
      ? 'it passed in the loop: is it flaky?'
      : variant === 'restored'
        ? 'does it pass with the protected files as they were?'
        : 'does the exact commit pass in a clean VM?';
  if (!needWorkspace(pass, task, vm, 'work', head)) return;
  to.step('start_checks', `task:${task.id}`, why, {
    task: task.id,
    vm: vm.id,
    kind: 'verify',
    variant,
    commit: head,
    base,
    iteration: null,
    ...(again === null ? {} : { again: again.id }),
  });
}

/**
 * Every check it failed has passed on this very tree before, and this is the first verification of it that failed: once more, in another
 * clean VM. Passing then, the check is flaky, and the task goes on with that said; failing again, it is sent back.
 */
function isDoubtful(world: World, failed: CheckRun): boolean {
  const same = world.checkRuns.filter((run) => run.task === failed.task && run.tested === failed.tested);
  const verified = same.filter((run) => run.kind === 'verify' && run.phase === 'failed' && run.base === failed.base);
  if (verified.some((run) => run.id !== failed.id)) return false;
  const hasPassed = (check: string) =>
    same.some((run) => run.phase !== 'infra' && run.results.some((one) => one.id === check && one.passed));
  return failed.results.every((one) => one.passed || hasPassed(one.id));
}

/** Verified: on to the reviewer, to the human, or, with an approval that carries over, to integration. */
function onward(pass: Pass, task: Task): void {
  const { world, to } = pass;
  const carried = world.approvals.find((a) => a.task === task.id && a.state === 'active' && a.decision === 'approve');
  if (carried !== undefined && carried.commit === task.head) {
    decide(pass, task, {
      to: 'integrating',
      reason: 'the same patch passed again on the new base',
      notes: [],
      patch: {},
    });
  } else if (!world.config.review.required || alreadyApproved(pass, task)) {
    decide(pass, task, { to: 'awaiting_approval', reason: null, notes: [], patch: {} });
  } else {
    to.step('request_review', `task:${task.id}`, 'verified; a second pair of eyes comes next', { task: task.id });
  }
}

function alreadyApproved(pass: Pass, task: Task): boolean {
  return pass.world.reviews.some((r) => r.task === task.id && r.commit === task.head && r.phase === 'approved');
}

/** No agent ran in it, no other commit, and no run that failed or broke off half-way. */
function isClean(world: World, vm: Vm, head: string): boolean {
  const seeded = vm.seeded['work'];
  if (vm.touched || (seeded !== undefined && seeded !== head)) return false;
  return !world.checkRuns.some((run) => run.vm === vm.id && (run.phase === 'infra' || run.phase === 'failed'));
}
