import {
  type BudgetChange,
  type BudgetStop,
  type BudgetTask,
  budgetAt,
  budgetNode,
  type FleetBudget,
  fleetNode,
  parseNode,
  stopHolds,
} from './budget.ts';
import { sayStop } from './budget-words.ts';
import type { Iteration, RalphRole } from './iteration.ts';

/** What says which levels have something left. */
export interface BudgetRows {
  fleet: FleetBudget;
  changes: readonly BudgetChange[];
  stops: readonly BudgetStop[];
  now: number;
}

/** Of these levels the first that keeps calls out; null when each has room as far as is known. */
export function stopAmong(nodes: readonly string[], task: BudgetTask | null, rows: BudgetRows): BudgetStop | null {
  for (const node of nodes) {
    const stop = rows.stops.find((it) => it.node === node);
    if (stop !== undefined && stopHolds(stop, budgetAt(node, { ...rows, task }), rows.now)) return stop;
  }
  return null;
}

/** The levels a task stands under, whoever works on it. */
export function nodesOfTask({ id, project }: BudgetTask): string[] {
  return [fleetNode, budgetNode('project', project), budgetNode('task', id), budgetNode('review', id)];
}

/** What refused it last: one of its own levels, or a Ralph that worked on it. */
export function lastStop(task: BudgetTask, stops: readonly BudgetStop[]): BudgetStop | null {
  const nodes = nodesOfTask(task);
  const own = stops.filter(({ node }) => nodes.includes(node) || parseNode(node).kind === 'ralph');
  return own.reduce<BudgetStop | null>((newest, it) => (newest === null || it.at >= newest.at ? it : newest), null);
}

/** Time its agents of one role have worked, in ms. */
export function workedMs(
  iterations: readonly Pick<Iteration, 'task' | 'role' | 'startedAt' | 'endedAt'>[],
  { task, role, now }: { task: string; role: RalphRole; now: number },
): number {
  return iterations
    .filter((it) => it.task === task && it.role === role)
    .reduce((sum, it) => sum + Math.max(0, (it.endedAt ?? now) - it.startedAt), 0);
}

/** The limit on time, when it is used up. */
export function timeStop(task: BudgetTask, role: RalphRole, worked: number, rows: BudgetRows): BudgetStop | null {
  const node = budgetNode(role === 'reviewer' ? 'review' : 'task', task.id);
  const limit = budgetAt(node, { ...rows, task }).ms;
  if (limit === null || worked < limit) return null;
  return { node, unit: 'ms', per: 'total', limit, used: worked, needed: 0, at: rows.now, until: null };
}

/** With what would move it. */
export function sayStopAndRemedy(stop: BudgetStop): string {
  const { kind, name } = parseNode(stop.node);
  const level = kind === 'fleet' ? 'fleet' : kind === 'review' ? `review:${name}` : name;
  const flag = stop.unit === 'ms' ? 'time' : stop.unit;
  const raise = `ralph-fleet budget set ${level} --${flag} …`;
  const when =
    stop.until === null
      ? `raise it: ${raise}`
      : `goes on at ${new Date(stop.until).toISOString()}, or sooner with ${raise}`;
  return `${sayStop(stop)}; ${when}`;
}
