import type { BudgetStop } from '../../domain/budget.ts';
import type { CheckRun } from '../../domain/check.ts';
import { passedBefore } from '../../domain/check-history.ts';
import { checksNote, findingsNote } from '../../domain/feedback.ts';
import { type Flaky, sayFlaky } from '../../domain/flaky.ts';
import type { Iteration } from '../../domain/iteration.ts';
import { progressAfter, progressDigest } from '../../domain/progress.ts';
import { mostTimes, nextQuestion } from '../../domain/question.ts';
import type { Review } from '../../domain/review.ts';
import { crashedInARow, mostCrashes, mostStuck, stretch, stuckInARow } from '../../domain/streak.ts';
import type { Note, Task, TaskPhase } from '../../domain/task.ts';
import { cleanLine } from '../../lib/clean-text.ts';
import type { World } from './world.ts';

/** Where a task goes next, and what its implementer is told. */
export interface Decision {
  to: TaskPhase;
  reason: string | null;
  until?: number;
  notes: Note[];
  patch: Partial<Task>;
  stop?: BudgetStop;
}

/** What a decision looks back on. */
export type LookedBack = Pick<World, 'now' | 'checkRuns' | 'iterations'>;

/**
 * After an implementer's iteration. Completion is looked at before limits; what the agent said never counts as done. `checks`
 * is the run in the implementer's VM, or null when there is none. `refused`: why this very commit was sent back before, so that
 * handing it in again unchanged is no completion. Who asks a person and does not say it is done waits, whatever passes.
 */
export function decideAfterIteration(
  task: Task,
  iteration: Iteration,
  found: { checks: CheckRun | null; refused: string | null },
  back: LookedBack,
): Decision {
  const { now } = back;
  const { checks, refused } = found;
  const judged: Partial<Task> = { judged: iteration.id };
  const why = iteration.reason;
  const stay = (to: TaskPhase, reason: string | null, more: Partial<Decision> = {}): Decision => ({
    to,
    reason,
    notes: [],
    patch: judged,
    ...more,
  });
  const asks = iteration.ask?.blocking === true && iteration.outcome !== 'infra';
  const waits = () => ({ ...waitForAnswer(task), notes: notesFromChecks(task, checks, back), patch: judged });
  if (asks && iteration.outcome !== 'done') return waits();
  if (checks?.phase === 'passed' && iteration.outcome !== 'partial' && refused === null) return stay('verifying', null);
  if (asks) return waits();
  switch (iteration.outcome) {
    case 'rate_limited':
      return stay('rate_limited', why, { until: iteration.retryAt ?? now + 300_000 });
    case 'over_budget':
      return stay('over_budget', why);
    case 'infra':
      if (task.uncounted >= task.limits.uncounted) return stay('blocked', sayOutside(task, why));
      return stay('implementing', why);
    default:
      return afterAttempt(task, iteration, found, back);
  }
}

/** The breaker has tripped: what failed again and again is left to a person. */
export function sayOutside({ id, uncounted }: Task, last: string | null): string {
  const why = last === null ? '' : `, the last: ${last}`;
  return `${uncounted} starts in a row failed for reasons outside the task${why}; once that is mended: ralph-fleet task retry ${id}`;
}

/** It waits for its person; but not for the same answer again and again. */
export function waitForAnswer({ questions }: Task): Decision {
  const asked = nextQuestion(questions);
  const [notes, patch]: [Note[], Partial<Task>] = [[], {}];
  if (asked === null || asked.times < mostTimes)
    return { to: 'needs_input', reason: asked?.question ?? null, notes, patch };
  const reason = `it has asked the same ${asked.times} times, though it was answered: ${asked.question}`;
  return { to: 'stalled', reason, notes, patch };
}

function afterAttempt(
  task: Task,
  iteration: Iteration,
  { checks, refused }: { checks: CheckRun | null; refused: string | null },
  back: LookedBack,
): Decision {
  const digest = progressDigest(iteration.savedTree ?? task.head ?? task.base ?? '', checks?.results ?? []);
  const progress = progressAfter(task, digest);
  const patch: Partial<Task> = { judged: iteration.id, ...progress };
  const notes = notesFromChecks(task, checks, back);
  const end = whyNotAgain(task, iteration, back);
  if (end !== null) return { ...end, notes, patch };
  if (task.iterations >= task.limits.iterations) {
    const short = checks?.phase === 'passed' ? (refused ?? 'the agent says work remains') : 'its checks do not pass';
    return { to: 'stalled', reason: `${task.iterations} iterations, the limit, and ${short}`, notes, patch };
  }
  if (progress.stagnant >= task.limits.stagnationAfter) {
    const reason = `nothing new in the last ${progress.stagnant} iterations: files and check results as they were before`;
    return { to: 'stalled', reason, notes, patch };
  }
  return { to: 'implementing', reason: null, notes, patch };
}

/** What is no use to try once more, however many tries are left. */
function whyNotAgain(task: Task, last: Iteration, { iterations }: LookedBack): Pick<Decision, 'to' | 'reason'> | null {
  const counted = stretch(task, iterations);
  const [stuck, crashed] = [stuckInARow(counted), crashedInARow(counted)];
  const why = last.reason ?? 'no reason known';
  if (stuck >= mostStuck) {
    const said = last.summary === null ? why : cleanLine(last.summary, 300);
    return { to: 'failed', reason: `${stuck} iterations in a row were stuck, the last: ${said}` };
  }
  if (crashed < mostCrashes) return null;
  return { to: 'blocked', reason: `${crashed} iterations in a row crashed and changed nothing, the last: ${why}` };
}

export function notesFromChecks(
  task: Task,
  run: CheckRun | null,
  back: LookedBack,
  flaky: readonly Flaky[] = [],
): Note[] {
  if (run === null || run.phase === 'infra') return [];
  const where =
    run.kind === 'loop'
      ? 'in your workspace'
      : `in a fresh VM on the exact commit${run.variant === 'restored' ? ', with the protected files put back as they were' : ''}`;
  const told = { checks: task.checks, results: run.results, where, passedBefore: passedBefore(back, run) };
  const said = checksNote(told);
  const text = said === null ? null : [said, ...flaky.map((one) => `Note: ${sayFlaky(one)}.`)].join('\n\n');
  return text === null ? [] : [{ from: run.kind === 'verify' ? 'verifier' : 'checks', at: back.now, text }];
}

/** After a reviewer's verdict on the current commit. */
export function decideAfterReview(task: Task, review: Review, now: number): Decision {
  const toPerson: Decision = { to: 'awaiting_approval', reason: null, notes: [], patch: {} };
  if (review.phase === 'approved') return toPerson;
  // Where no reviewer comes to an end with it, the person has the last word, and is told so.
  if (review.phase === 'inconclusive') {
    const why = review.summary ?? 'no verdict';
    return { ...toPerson, reason: `not reviewed: the review was inconclusive ${review.attempts} times: ${why}` };
  }
  const notes: Note[] = [{ from: 'reviewer', at: now, text: findingsNote(review.summary, review.findings) }];
  if (review.round >= task.limits.reviewRounds)
    return { ...toPerson, reason: `the reviewer still asks for changes after ${review.round} rounds`, notes };
  return { to: 'ready', reason: 'the reviewer asked for changes', notes, patch: {} };
}
