import {
  type BudgetTask,
  budgetAt,
  budgetChain,
  budgetNode,
  budgetUnits,
  fleetNode,
  parseNode,
} from '../../domain/budget.ts';
import { type BudgetRows, workedMs } from '../../domain/budget-stops.ts';
import { budgetLevelName, sayAmount, sayPeriod } from '../../domain/budget-words.ts';
import type { Iteration, RalphRole } from '../../domain/iteration.ts';
import type { Task } from '../../domain/task.ts';
import type { BudgetLevel, NodeBudget } from '../../loop/ports.ts';
import type { ExecuteDeps } from './deps.ts';

type Deps = Pick<ExecuteDeps, 'store' | 'config' | 'clock'>;

function budgetRowsOf({ store, config, clock }: Deps): BudgetRows {
  return {
    fleet: config().budget,
    changes: store.alive.budgets.rows(),
    stops: store.alive.stops.rows(),
    now: clock.now(),
  };
}

export function nodesOf(iteration: Iteration, task: Task): string[] {
  return budgetChain({ project: task.project, task: task.id, ralph: iteration.ralph, role: iteration.role });
}

/** What the gateway is to keep at these levels. */
export function budgetsFor(deps: Deps, nodes: readonly string[]): NodeBudget[] {
  const rows = budgetRowsOf(deps);
  const runSince = deps.store.fleet().since;
  return nodes.map((node) => {
    const { ms: _, ...budget } = budgetAt(node, { ...rows, task: taskOf(deps, node) });
    return { node, runSince, ...budget };
  });
}

function taskOf({ store }: Deps, node: string): BudgetTask | null {
  const { kind, name } = parseNode(node);
  return kind === 'task' || kind === 'review' ? store.tasks.get(name) : null;
}

/** Time an agent may still work on a task, in ms; null = no limit. */
export function msLeft(deps: Deps, task: Task, role: RalphRole): number | null {
  const limit = timeLimit(deps, task, role);
  if (limit === null) return null;
  const iterations = deps.store.iterations.list('WHERE task = ?', task.id);
  return Math.max(0, limit - workedMs(iterations, { task: task.id, role, now: deps.clock.now() }));
}

function timeLimit(deps: Deps, task: Task, role: RalphRole): number | null {
  return budgetAt(budgetNode(role === 'reviewer' ? 'review' : 'task', task.id), { ...budgetRowsOf(deps), task }).ms;
}

/** One line for the prompt; an agent that knows what is left can end well. */
export async function budgetLine(deps: ExecuteDeps, task: Task, iteration: Iteration): Promise<string> {
  const levels = await deps.gateway.levels(nodesOf(iteration, task)).catch((): BudgetLevel[] => []);
  const [fleet, , own] = levels;
  if (fleet === undefined || own === undefined) return 'Budget left: not known just now.';
  const parts = [leftOf(own), timeLeft(deps, task, iteration.role)].filter((part) => part !== null);
  const whole = leftOf(fleet);
  const when = { day: ' for today', month: ' for this month', run: ' for this run', total: '' }[fleet.per];
  const ofFleet = whole === null ? '' : ` The whole fleet has ${whole} left${when}.`;
  const left = `Budget left for this task: ${parts.length === 0 ? 'no limit of its own' : parts.join(', ')}.${ofFleet}`;
  return [left, ...warningsOf(levels, deps.config().budget.warnAt), ...lateOf(deps, task, iteration.role)].join(' ');
}

/** Levels of which so much is used that people were told. */
function warningsOf(levels: readonly BudgetLevel[], warnAt: number): string[] {
  return levels.flatMap(({ node, limit, settled, reserved, per }) => {
    const shares = budgetUnits.flatMap((unit) => {
      const most = limit[unit];
      return most === null ? [] : [{ unit, most, used: settled[unit] + reserved[unit] }];
    });
    const worst = shares.toSorted((a, b) => b.used / b.most - a.used / a.most)[0];
    if (worst === undefined || worst.used < warnAt * worst.most) return [];
    const share = Math.min(100, Math.round((100 * worst.used) / worst.most));
    return [
      `${budgetLevelName(node)} has used ${share} % of its ${sayAmount(worst.unit, worst.most)}${sayPeriod(per)}.`,
    ];
  });
}

function lateOf(deps: ExecuteDeps, task: Task, role: RalphRole): string[] {
  const [left, limit] = [msLeft(deps, task, role), timeLimit(deps, task, role)];
  if (left === null || limit === null || left > (1 - deps.config().budget.warnAt) * limit) return [];
  return ['Most of the time for this task is used.'];
}

function leftOf({ limit, settled, reserved }: BudgetLevel): string | null {
  const parts = (['usd', 'tokens', 'calls'] as const).flatMap((unit) => {
    const most = limit[unit];
    return most === null ? [] : [sayAmount(unit, Math.max(0, most - settled[unit] - reserved[unit]))];
  });
  return parts.length === 0 ? null : parts.join(', ');
}

function timeLeft(deps: ExecuteDeps, task: Task, role: RalphRole): string | null {
  const left = msLeft(deps, task, role);
  return left === null ? null : sayAmount('ms', left);
}

/** Keeps the gateway's limits, and what it keeps free, as they are wanted, also while calls wait there; nothing is said twice. */
export function createBudgetTeller(
  deps: Pick<ExecuteDeps, 'store' | 'config' | 'clock' | 'gateway'>,
): () => Promise<void> {
  let told = '';
  return async () => {
    const open = deps.store.alive.iterations.rows().filter((it) => it.phase !== 'ended');
    const nodes = new Set([fleetNode, ...open.flatMap((it) => nodesOf(it, deps.store.tasks.mustGet(it.task)))]);
    const budgets = budgetsFor(deps, [...nodes]);
    const keepFree = deps.config().limits.keepFreeOfUsageWindow;
    const now = JSON.stringify([budgets, keepFree]);
    if (now === told) return;
    await deps.gateway.setBudgets(budgets);
    await deps.gateway.setKeepFree(keepFree);
    told = now;
  };
}
