import type { Task } from '../../domain/task.ts';
import { isRalphStopped, parkIfStopped } from './budget.ts';
import { waitForCredential } from './credential.ts';
import { decideAfterReview } from './decide.ts';
import { waitAfterOutage, waitIfLimited } from './limits.ts';
import { decide } from './move.ts';
import { needVm, needWorkspace, type Pass } from './need-vm.ts';
import { findVm, lastIteration, openIteration } from './world.ts';

const maxInconclusive = 2;

/** reviewing: a reviewer Ralph in a disposable VM at the commit; nothing comes back from it but the verdict. */
export function planReviewing(pass: Pass, task: Task): void {
  const { world, to } = pass;
  if (task.head === null || openIteration(world, task.id) !== null) return;
  const review = world.reviews
    .filter((r) => r.task === task.id && r.commit === task.head)
    .reduce<(typeof world.reviews)[number] | null>(
      (newest, r) => (newest === null || r.at >= newest.at ? r : newest),
      null,
    );
  if (review === null) {
    to.step('request_review', `task:${task.id}`, 'there is no review of this commit yet', { task: task.id });
    return;
  }
  if (
    review.phase === 'approved' ||
    review.phase === 'changes_requested' ||
    (review.phase === 'inconclusive' && review.attempts >= maxInconclusive)
  ) {
    decide(pass, task, decideAfterReview(task, review, world.now));
    return;
  }
  const last = lastIteration(world, task.id, 'reviewer');
  const own = findVm(world, task.id, 'reviewer');
  if (own?.touched) {
    to.step('release_vm', `vm:${own.id}`, 'a review starts in a VM no agent has touched', { vm: own.id });
    return;
  }
  if (waitIfLimited(pass, task) || waitAfterOutage(pass, task, last)) return;
  if (world.paused) {
    to.wait(task.id, 'the fleet is paused; `ralph-fleet resume` goes on');
    return;
  }
  if (waitForCredential(pass, task)) return;
  const ralph =
    world.ralphs.find((r) => r.role === 'reviewer' && r.task === task.id) ??
    world.ralphs.find(
      (r) => r.role === 'reviewer' && r.task === null && !pass.given.has(r.name) && !isRalphStopped(world, r.name),
    );
  if (ralph === undefined) {
    to.wait(task.id, 'waits for a free reviewer');
    return;
  }
  if (parkIfStopped(pass, task, 'reviewer', ralph.name)) return;
  pass.given.add(ralph.name);
  const vm = needVm(pass, task, 'reviewer', ralph.name);
  if (vm === null || !needWorkspace(pass, task, vm, 'work', task.head)) return;
  to.step('start_iteration', `task:${task.id}`, `review round ${review.round}`, {
    task: task.id,
    vm: vm.id,
    ralph: ralph.name,
    role: 'reviewer',
    review: review.id,
  });
}
