import type { ReportTask, ReportView } from '../contract/report.ts';
import { budgetAt, budgetNode } from '../domain/budget.ts';
import { countsAsAttempt, type Iteration } from '../domain/iteration.ts';
import { shownState } from '../domain/states.ts';
import { isEnded, type Task } from '../domain/task.ts';
import { toIso } from '../lib/clock.ts';
import type { QueryDeps } from './deps.ts';
import type { Spent } from './spent.ts';

const none: Spent = { tokens: 0, usd: 0, calls: 0, seconds: 0, imputedUsd: 0 };
/** A task's events, as many as one can have. */
const allEvents = 1_000_000;

/** What was done since a time (ms since the epoch): every task that was open then or came later. */
export function reportView(deps: QueryDeps, since: number): ReportView {
  const { store, clock } = deps;
  const tasks = store.tasks
    .list('ORDER BY createdAt, rowid')
    .filter((task) => !isEnded(task.phase) || task.since >= since)
    .map((task) => reportTask(deps, task, since));
  const sum = (of: (task: ReportTask) => number) => tasks.reduce((total, task) => total + of(task), 0);
  const open = store.tasks.list().filter((task) => shownState(task.phase, task.seen) === 'needs-you');
  return {
    since: toIso(since),
    until: toIso(clock.now()),
    tasks,
    totals: {
      tasks: tasks.length,
      merged: tasks.filter((task) => task.phase === 'merged').length,
      waiting: open.length,
      failed: tasks.filter((task) => task.phase === 'failed').length,
      iterations: sum((task) => task.iterations),
      reviews: sum((task) => task.reviews),
      spent: tasks.reduce((total, task) => add(total, task.spent), none),
      personSeconds: sum((task) => task.personSeconds),
    },
  };
}

function reportTask(deps: QueryDeps, task: Task, since: number): ReportTask {
  const { store, clock, config } = deps;
  const now = clock.now();
  const iterations = store.iterations.list('WHERE task = ?', task.id).filter((it) => (it.endedAt ?? now) >= since);
  const own = iterations.filter((it) => it.role === 'implementer');
  const isCounted = (it: Iteration) => it.outcome !== null && countsAsAttempt(it.outcome);
  const changes = store.budgets.list();
  const { usd, tokens } = budgetAt(budgetNode('task', task.id), { fleet: config().budget, changes, task });
  const rejections = store.approvals.list("WHERE task = ? AND decision = 'reject' AND at >= ?", task.id, since);
  return {
    id: task.id,
    title: task.title,
    project: task.project,
    phase: task.phase,
    submittedAt: toIso(task.createdAt),
    endedAt: isEnded(task.phase) ? toIso(task.since) : null,
    iterations: own.filter(isCounted).length,
    uncounted: own.filter((it) => !isCounted(it)).length,
    reviews: iterations.length - own.length,
    rejections: rejections.length,
    spent: iterations.reduce((total, it) => add(total, spentBy(deps, it, since)), none),
    limit: { usd, tokens },
    personSeconds: Math.round(waitedMs(deps, task, since) / 1000),
  };
}

function spentBy({ store, clock }: QueryDeps, iteration: Iteration, since: number): Spent {
  const { tokens, usd, calls } = store.spend.ofIteration(iteration.id) ?? none;
  const ms = (iteration.endedAt ?? clock.now()) - Math.max(since, iteration.startedAt);
  const imputedUsd = store.spend.imputedUsd({ iteration: iteration.id });
  return { tokens, usd, calls, seconds: Math.max(0, Math.round(ms / 1000)), imputedUsd };
}

function add(one: Spent, other: Spent): Spent {
  return {
    tokens: one.tokens + other.tokens,
    usd: one.usd + other.usd,
    calls: one.calls + other.calls,
    seconds: one.seconds + other.seconds,
    imputedUsd: (one.imputedUsd ?? 0) + (other.imputedUsd ?? 0),
  };
}

const forPerson = new Set(['task.awaiting_approval', 'task.needs_input']);

/** How long it stood where only a person could move it. */
function waitedMs({ store, clock }: QueryDeps, task: Task, since: number): number {
  let waited = 0;
  let from: number | null = null;
  const until = (at: number) => {
    if (from !== null) waited += Math.max(0, at - Math.max(from, since));
    from = null;
  };
  for (const { kind, at } of store.events.of(task.id, allEvents)) {
    // An approval ends the wait, whenever the next pass moves the task.
    if (!kind.startsWith('task.')) continue;
    until(at);
    if (forPerson.has(kind)) from = at;
  }
  until(clock.now());
  return waited;
}
