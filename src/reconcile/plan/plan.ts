import { isWorking, type Task, type TaskPhase } from '../../domain/task.ts';
import { planOverBudget } from './budget.ts';
import { planCheckRuns } from './checks.ts';
import { planWithoutCredential } from './credential.ts';
import { sayOutside } from './decide.ts';
import { isGivenUp, planDisks } from './disks.ts';
import { planBallast, sayWhatFits } from './hold.ts';
import { planClaimed, planImplementing } from './implement.ts';
import { planIterations } from './iterations.ts';
import { planRateLimited } from './limits.ts';
import { decide } from './move.ts';
import type { Pass } from './need-vm.ts';
import { planPings } from './pings.ts';
import { planQueue } from './queue.ts';
import { planRelease, planWarm } from './release.ts';
import { planReplays } from './replays.ts';
import { planReviewing } from './review.ts';
import { createRoom } from './room.ts';
import { isRewinding, planRewind, planSnapshots } from './snapshots.ts';
import { createPlanBuilder, type Plan } from './step.ts';
import { planTemplates } from './templates.ts';
import { planVerifying } from './verify.ts';
import { planVms } from './vms.ts';
import { diskOf, newestIteration, type World } from './world.ts';

/**
 * The planner: pure. Takes all that is desired and observed, returns what to do next as data, and why the rest waits. It holds
 * no state between passes; what it returns may be carried out in any order, in part, or not at all, and the next pass goes on
 * from what is then true.
 */
export function plan(world: World): Plan {
  const to = createPlanBuilder();
  const pass: Pass = { world, to, room: createRoom(world), given: new Set() };
  planRalphs(pass);
  planBallast(pass);
  planVms(pass);
  planIterations(pass);
  planCheckRuns(pass);
  // Verification before the rest: a full fleet must not wait for itself.
  const inOrder = [...world.tasks].sort((a, b) => rank(a) - rank(b) || a.createdAt - b.createdAt);
  for (const task of inOrder) planTask(pass, task);
  planReplays(pass);
  planDisks(pass);
  planQueue(pass);
  planRelease(pass);
  planTemplates(pass);
  planWarm(pass);
  sayWhatFits(pass);
  planSnapshots(pass);
  planPings(pass);
  return to.plan;
}

function planTask(pass: Pass, task: Task): void {
  const { world, to } = pass;
  if (isRewinding(task)) {
    planRewind(pass, task);
    return;
  }
  if (task.phase === 'integrating') {
    to.step('integrate', `task:${task.id}`, 'you approved it', { task: task.id });
    return;
  }
  if (task.phase === 'awaiting_approval') {
    planAwaiting(pass, task);
    return;
  }
  if (world.desire !== 'up') {
    if (isWorking(task.phase)) to.wait(task.id, 'the fleet is down; `ralph-fleet up` goes on with it');
    return;
  }
  const broken = isWorking(task.phase) ? whyBroken(world, task) : null;
  if (broken !== null) {
    decide(pass, task, { to: 'blocked', reason: broken, notes: [], patch: {} });
    return;
  }
  if (task.phase === 'claimed') planClaimed(pass, task);
  else if (task.phase === 'implementing') planImplementing(pass, task);
  else if (task.phase === 'verifying') planVerifying(pass, task);
  else if (task.phase === 'reviewing') planReviewing(pass, task);
  else if (task.phase === 'rate_limited') planRateLimited(pass, task);
  else if (task.phase === 'over_budget') planOverBudget(pass, task);
  else if (task.phase === 'blocked' && task.needs === 'credential') planWithoutCredential(pass, task);
  else if (task.reason !== null) to.wait(task.id, task.reason);
}

/** The breaker: what fails again and again for reasons outside the task is left to a person. */
function whyBroken(world: World, task: Task): string | null {
  if (task.uncounted >= task.limits.uncounted) return sayOutside(task, newestIteration(world, task.id)?.reason ?? null);
  const disk = diskOf(world, task.disk);
  const failed = [disk, diskOf(world, disk?.backing ?? null)].find((d) => d !== null && isGivenUp(d));
  return failed ? `its disk could not be made: ${failed.failure ?? 'no reason known'}` : null;
}

function planAwaiting(pass: Pass, task: Task): void {
  const approval = pass.world.approvals.find(
    (a) => a.task === task.id && a.state === 'active' && a.decision === 'approve' && a.commit === task.head,
  );
  if (approval === undefined) {
    pass.to.wait(task.id, 'waits for your word: approve or reject it');
    return;
  }
  pass.to.step('move_task', `task:${task.id}`, 'you approved this commit', {
    task: task.id,
    from: 'awaiting_approval',
    to: 'integrating',
    reason: null,
  });
}

function planRalphs(pass: Pass): void {
  const { world, to } = pass;
  for (const role of ['implementer', 'reviewer'] as const) {
    if (world.ralphs.filter((r) => r.role === role).length !== world.config.roles[role]) {
      to.step('sync_ralphs', 'ralphs', `fleet.yaml asks for ${world.config.roles[role]} ${role}s`, {});
      return;
    }
  }
}

const nearestToTheEndFirst: readonly TaskPhase[] = [
  'integrating',
  'awaiting_approval',
  'verifying',
  'reviewing',
  'implementing',
  'claimed',
];

function rank(task: Task): number {
  const at = nearestToTheEndFirst.indexOf(task.phase);
  return at === -1 ? nearestToTheEndFirst.length : at;
}
