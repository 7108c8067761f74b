import { type BudgetStop, budgetChain, budgetNode, fleetNode } from '../../domain/budget.ts';
import {
  type BudgetRows,
  lastStop,
  nodesOfTask,
  sayStopAndRemedy,
  stopAmong,
  timeStop,
  workedMs,
} from '../../domain/budget-stops.ts';
import type { RalphRole } from '../../domain/iteration.ts';
import type { Task } from '../../domain/task.ts';
import { decide } from './move.ts';
import type { Pass } from './need-vm.ts';
import type { World } from './world.ts';

export function budgetRows({ config, budgets, stops, now }: World): BudgetRows {
  return { fleet: config.budget, changes: budgets, stops, now };
}

/** What keeps a new iteration from being started: a level without room, or no time left. */
export function stopFor(world: World, task: Task, role: RalphRole, ralph: string): BudgetStop | null {
  const rows = budgetRows(world);
  const worked = workedMs(world.iterations, { task: task.id, role, now: world.now });
  const chain = budgetChain({ project: task.project, task: task.id, ralph, role });
  return timeStop(task, role, worked, rows) ?? stopAmong(chain, task, rows);
}

/** Parks the task when there is nothing it could be worked on with; true when it did. */
export function parkIfStopped(pass: Pass, task: Task, role: RalphRole, ralph: string): boolean {
  const stop = stopFor(pass.world, task, role, ralph);
  if (stop === null) return false;
  decide(pass, task, { to: 'over_budget', reason: sayStopAndRemedy(stop), notes: [], patch: {}, stop });
  return true;
}

/**
 * A task that is ready is not claimed while a level has no room. It is parked, so that a person hears of it; but where the whole
 * fleet stands still one word says so for all.
 */
export function holdBackIfStopped(pass: Pass, task: Task): boolean {
  const nodes = [fleetNode, budgetNode('project', task.project), budgetNode('task', task.id)];
  const stop = stopAmong(nodes, task, budgetRows(pass.world));
  if (stop === null) return false;
  const reason = sayStopAndRemedy(stop);
  if (stop.node === fleetNode) pass.to.wait(task.id, reason);
  else decide(pass, task, { to: 'over_budget', reason, notes: [], patch: {}, stop });
  return true;
}

export function isRalphStopped(world: World, ralph: string): boolean {
  return stopAmong([budgetNode('ralph', ralph)], null, budgetRows(world)) !== null;
}

/** over_budget: goes on by itself once the level that refused it has a higher limit or a new period. */
export function planOverBudget(pass: Pass, task: Task): void {
  const { world, to } = pass;
  const last = lastStop(task, world.stops);
  if (last === null) {
    if (task.reason !== null) to.wait(task.id, task.reason);
    return;
  }
  const isReview = last.node === budgetNode('review', task.id);
  const role = isReview ? 'reviewer' : 'implementer';
  const rows = budgetRows(world);
  const nodes = nodesOfTask(task).filter((node) => isReview || node !== budgetNode('review', task.id));
  const worked = workedMs(world.iterations, { task: task.id, role, now: world.now });
  const stop = stopAmong(nodes, task, rows) ?? timeStop(task, role, worked, rows);
  if (stop !== null) {
    to.wait(task.id, sayStopAndRemedy(stop));
    return;
  }
  to.step('move_task', `task:${task.id}`, 'there is room in its budget again', {
    task: task.id,
    from: 'over_budget',
    to: isReview && task.head !== null ? 'reviewing' : 'ready',
    reason: null,
  });
}
