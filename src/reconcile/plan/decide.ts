import type { BudgetStop } from '../../domain/budget.ts';
import type { CheckRun } from '../../domain/check.ts';
import { checksNote, findingsNote } from '../../domain/feedback.ts';
import { type Flaky, sayFlaky } from '../../domain/flaky.ts';
import type { Iteration } from '../../domain/iteration.ts';
import { progressDigest, stagnantAfter } from '../../domain/progress.ts';
import type { Review } from '../../domain/review.ts';
import type { Note, Task, TaskPhase } from '../../domain/task.ts';

/** Where a task goes next, and what its implementer is told. */
export interface Decision {
  to: TaskPhase;
  reason: string | null;
  until?: number;
  notes: Note[];
  patch: Partial<Task>;
  stop?: BudgetStop;
}

/**
 * After an implementer's iteration. Completion is looked at before limits; what the agent said never counts as done. `checks`
 * is the run in the implementer's VM, or null when there is none. `refused`: why this very commit was sent back before, so that
 * handing it in again unchanged is no completion.
 */
export function decideAfterIteration(
  task: Task,
  iteration: Iteration,
  { checks, refused }: { checks: CheckRun | null; refused: string | null },
  now: number,
): Decision {
  const judged: Partial<Task> = { judged: iteration.id };
  const why = iteration.reason;
  const stay = (to: TaskPhase, reason: string | null, more: Partial<Decision> = {}): Decision => ({
    to,
    reason,
    notes: [],
    patch: judged,
    ...more,
  });
  if (checks?.phase === 'passed' && iteration.outcome !== 'partial' && refused === null) return stay('verifying', null);
  switch (iteration.outcome) {
    case 'rate_limited':
      return stay('rate_limited', why, { until: iteration.retryAt ?? now + 300_000 });
    case 'over_budget':
      return stay('over_budget', why);
    case 'infra':
      if (task.uncounted >= task.limits.uncounted)
        return stay(
          'blocked',
          `${task.uncounted} iterations failed for reasons outside the task, the last: ${why ?? 'unknown'}`,
        );
      return stay('implementing', why);
    default:
      return afterAttempt(task, iteration, { checks, refused }, now);
  }
}

function afterAttempt(
  task: Task,
  iteration: Iteration,
  { checks, refused }: { checks: CheckRun | null; refused: string | null },
  now: number,
): Decision {
  const digest = progressDigest(task.head ?? task.base ?? '', checks?.results ?? []);
  const stagnant = stagnantAfter(task, digest);
  const patch: Partial<Task> = { judged: iteration.id, progressDigest: digest, stagnant };
  const notes = notesFromChecks(task, checks, now);
  if (iteration.ask?.blocking) return { to: 'needs_input', reason: iteration.ask.question, notes, patch };
  if (task.iterations >= task.limits.iterations) {
    const short = checks?.phase === 'passed' ? (refused ?? 'the agent says work remains') : 'its checks do not pass';
    return { to: 'stalled', reason: `${task.iterations} iterations, the limit, and ${short}`, notes, patch };
  }
  if (stagnant >= task.limits.stagnationAfter) {
    return {
      to: 'stalled',
      reason: `nothing moved in ${stagnant + 1} iterations: same files, same check results`,
      notes,
      patch,
    };
  }
  return { to: 'implementing', reason: null, notes, patch };
}

export function notesFromChecks(task: Task, run: CheckRun | null, now: number, flaky: readonly Flaky[] = []): Note[] {
  if (run === null || run.phase === 'infra') return [];
  const where =
    run.kind === 'loop'
      ? 'in your workspace'
      : `in a fresh VM on the exact commit${run.variant === 'restored' ? ', with the protected files put back as they were' : ''}`;
  const said = checksNote(task.checks, run.results, where);
  const text = said === null ? null : [said, ...flaky.map((one) => `Note: ${sayFlaky(one)}.`)].join('\n\n');
  return text === null ? [] : [{ from: run.kind === 'verify' ? 'verifier' : 'checks', at: now, text }];
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
