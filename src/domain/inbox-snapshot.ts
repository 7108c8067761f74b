import { fleetNode } from './budget.ts';
import { type BudgetRows, stopAmong } from './budget-stops.ts';
import { sayStop } from './budget-words.ts';
import type { RaisedFlag } from './flag.ts';
import type { InboxSnapshot } from './inbox.ts';
import type { Iteration } from './iteration.ts';
import type { Review } from './review.ts';
import type { Task } from './task.ts';

/** The rows the inbox is computed from, by the planner (pings) and by the status document alike. */
export interface InboxRows {
  now: number;
  tasks: readonly Task[];
  iterations: readonly Iteration[];
  reviews: readonly Review[];
  /** High, and not seen yet. */
  flags: readonly RaisedFlag[];
  reviewsWaiting: number;
  budget: Omit<BudgetRows, 'now'>;
  problems: InboxSnapshot['problems'];
}

export function toInboxSnapshot(rows: InboxRows): InboxSnapshot {
  return {
    now: rows.now,
    reviewsWaitingLimit: rows.reviewsWaiting,
    budgetGone: budgetGone(rows),
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
      question: questionOf(rows, task),
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

function questionOf(rows: InboxRows, task: Task): InboxSnapshot['tasks'][number]['question'] {
  if (task.phase !== 'needs_input') return null;
  const asked = rows.iterations.find((it) => it.id === task.judged)?.ask ?? null;
  return {
    question: asked?.question ?? task.reason ?? '',
    options: asked?.options ?? [],
    preferred: asked?.preferred ?? null,
    askedAt: task.since,
  };
}
