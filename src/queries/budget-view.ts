import type { BudgetLevelView, BudgetsView } from '../contract/budgets.ts';
import type { Level, SpentBy } from '../contract/gateway.ts';
import { type Budget, type BudgetTask, budgetAt, budgetNode, fleetNode, parseNode } from '../domain/budget.ts';
import { type BudgetRows, sayStopAndRemedy, stopAmong, timeStop, workedMs } from '../domain/budget-stops.ts';
import { isEnded } from '../domain/task.ts';
import { toIso } from '../lib/clock.ts';
import type { QueryDeps } from './deps.ts';

/** The levels to show: those above and at the one asked for, or all that have limits and are not over. */
export function budgetNodes({ store }: QueryDeps, asked: string | null): string[] {
  if (asked !== null) return chainTo(store, asked);
  const tasks = store.tasks.list('ORDER BY createdAt, rowid').filter((task) => !isEnded(task.phase));
  return [
    fleetNode,
    ...store.projects.list('ORDER BY name').map(({ name }) => budgetNode('project', name)),
    ...tasks.flatMap(({ id }) => [budgetNode('task', id), budgetNode('review', id)]),
    ...store.ralphs.list('ORDER BY name').map(({ name }) => budgetNode('ralph', name)),
  ];
}

function chainTo(store: QueryDeps['store'], node: string): string[] {
  const { kind, name } = parseNode(node);
  if (kind === 'fleet') return [fleetNode];
  if (kind === 'project' || kind === 'ralph') return [fleetNode, node];
  const { project } = store.tasks.mustGet(name);
  return [fleetNode, budgetNode('project', project), node];
}

/** `levels`: what the gateway says, or null while it cannot be asked. */
export function budgetsView(
  deps: QueryDeps,
  {
    nodes,
    asked,
    levels,
    spent,
  }: { nodes: readonly string[]; asked: string | null; levels: Level[] | null; spent: SpentBy | null },
): BudgetsView {
  const views = nodes.map((node) => levelView(deps, node, levels?.find((level) => level.node === node) ?? null));
  const what = 'The gateway cannot be asked, so that nothing is known of what was spent.';
  return {
    asOf: toIso(deps.clock.now()),
    levels: views.filter((view) => view.node === asked || asked !== null || isWorthALine(view)),
    spent,
    imputedUsd: deps.store.spend.imputedUsd(),
    problems: levels === null ? [{ what, remedy: 'ralph-fleet doctor' }] : [],
  };
}

function isWorthALine({ node, limit, settled }: BudgetLevelView): boolean {
  const hasLimit = Object.values(limit).some((it) => it !== null);
  const { kind } = parseNode(node);
  return kind === 'review' ? (settled?.calls ?? 0) > 0 : hasLimit;
}

function levelView(deps: QueryDeps, node: string, level: Level | null): BudgetLevelView {
  const { store, clock, config } = deps;
  const { kind, name } = parseNode(node);
  const task = kind === 'task' || kind === 'review' ? store.tasks.get(name) : null;
  const role = kind === 'review' ? 'reviewer' : 'implementer';
  const now = clock.now();
  const rows: BudgetRows = { fleet: config().budget, changes: store.budgets.list(), stops: store.stops.list(), now };
  const budget = budgetAt(node, { ...rows, task });
  const worked =
    task === null ? 0 : workedMs(store.iterations.list('WHERE task = ?', task.id), { task: task.id, role, now });
  const stop = stopAmong([node], task, rows) ?? (task === null ? null : timeStop(task, role, worked, rows));
  const seconds = task === null ? null : Math.round(worked / 1000);
  return {
    node,
    title: task?.title ?? null,
    per: budget.per,
    since: level === null || level.since === 0 ? null : toIso(level.since),
    endsAt: level?.until == null ? null : toIso(level.until),
    limit: limitsOf(budget),
    source: sourceOf(deps, node, task),
    settled: level === null ? null : { ...level.settled, seconds },
    reserved: level === null ? null : { ...level.reserved, seconds: null },
    left: level === null ? null : leftOf(budget, level, worked),
    held: level?.held ?? null,
    stop: stop === null ? null : sayStopAndRemedy(stop),
  };
}

function limitsOf({ usd, tokens, calls, ms }: Budget): BudgetLevelView['limit'] {
  return { usd, tokens, calls, seconds: ms === null ? null : Math.round(ms / 1000) };
}

function leftOf(budget: Budget, { settled, reserved }: Level, worked: number): BudgetLevelView['left'] {
  const left = (unit: 'usd' | 'tokens' | 'calls') => {
    const limit = budget[unit];
    return limit === null ? null : Math.max(0, limit - settled[unit] - reserved[unit]);
  };
  const seconds = budget.ms === null ? null : Math.max(0, Math.round((budget.ms - worked) / 1000));
  return { usd: left('usd'), tokens: left('tokens'), calls: left('calls'), seconds };
}

function sourceOf({ store, config }: QueryDeps, node: string, task: BudgetTask | null): string {
  const set = store.budgets.get(node);
  if (set !== null) return `set by ${set.by}`;
  const { kind } = parseNode(node);
  if (kind === 'fleet') return 'fleet.yaml';
  if (kind === 'review') return `${config().budget.reviewShare} of its task's`;
  if (kind !== 'task' || task === null) return 'none';
  const { maxTokens, maxUsd, maxCalls, maxDurationMs } = task.limits;
  const own = [maxTokens, maxUsd, maxCalls].filter((limit) => (limit ?? null) !== null).length;
  if (own === 3) return 'its own';
  return own > 0 || (maxDurationMs ?? null) !== null ? "its own, else the fleet's" : "the fleet's";
}
