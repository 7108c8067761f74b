import { fleetNode } from './budget.ts';
import { type BudgetRows, stopAmong } from './budget-stops.ts';
import { sayStop } from './budget-words.ts';
import type { RaisedFlag } from './flag.ts';
import type { InboxSnapshot } from './inbox.ts';
import { nextQuestion, openQuestions } from './question.ts';
import type { Review } from './review.ts';
import { isEnded, type Task } from './task.ts';
import type { KnownLimit } from './usage-limit.ts';

/** The rows the inbox is computed from, by the planner (pings) and by the status document alike. */
export interface InboxRows {
  now: number;
  tasks: readonly Task[];
  reviews: readonly Review[];
  /** High, and not seen yet. */
  flags: readonly RaisedFlag[];
  reviewsWaiting: number;
  budget: Omit<BudgetRows, 'now'>;
  limits: readonly KnownLimit[];
  problems: InboxSnapshot['problems'];
}

export function toInboxSnapshot(rows: InboxRows): InboxSnapshot {
  return {
    now: rows.now,
    reviewsWaitingLimit: rows.reviewsWaiting,
    budgetGone: budgetGone(rows),
    limits: rows.limits.filter((limit) => !limit.lifted && rows.now < limit.until),
    problems: rows.problems,
    flags: rows.flags,
    tasks: rows.tasks.map((task) => ({
      id: task.id,
      project: task.project,
      title: task.title,
      phase: task.phase,
      since: task.since,
      reason: task.reason,
      ralph: task.ralph,
      seen: task.seen,
      needs: task.needs,
      approval:
        task.head === null
          ? null
          : {
              commit: task.head,
              reviewed: rows.reviews.some(
                (r) => r.task === task.id && r.commit === task.head && r.phase === 'approved',
              ),
              calledOut: task.calledOut ?? 0,
            },
      question: questionOf(task),
      asides: isEnded(task.phase) || task.phase === 'needs_input' ? [] : openQuestions(task.questions),
      dependents: rows.tasks
        .filter((other) => other.dependsOn.includes(task.id) && other.phase === 'waiting')
        .map((other) => other.id),
    })),
  };
}

/** The fleet's own budget: one item for all that stand still. */
function budgetGone({ budget, now }: InboxRows): InboxSnapshot['budgetGone'] {
  const stop = stopAmong([fleetNode], null, { ...budget, now });
  return stop === null ? null : { since: stop.at, text: sayStop(stop), until: stop.until };
}

function questionOf(task: Task): InboxSnapshot['tasks'][number]['question'] {
  if (task.phase !== 'needs_input') return null;
  const withoutOne = { question: task.reason ?? '', options: [], preferred: null, askedAt: task.since };
  return nextQuestion(task.questions) ?? withoutOne;
}
