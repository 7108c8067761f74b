import type { TaskRow } from '../contract/fleet-view.ts';
import { shownState } from '../domain/states.ts';
import type { Task } from '../domain/task.ts';
import { toIso } from '../lib/clock.ts';
import type { QueryDeps } from './deps.ts';
import { toSpent } from './spent.ts';

/** One task as every list shows it. */
export function taskRow(deps: QueryDeps, task: Task): TaskRow {
  const { store, live, clock } = deps;
  const iterations = store.iterations.list('WHERE task = ?', task.id);
  const open = iterations.find((it) => it.phase !== 'ended');
  return {
    id: task.id,
    title: task.title,
    project: task.project,
    phase: task.phase,
    state: shownState(task.phase, task.seen),
    since: toIso(task.since),
    waitsFor: open === undefined ? waitOf(deps, task) : null,
    does: open === undefined ? doesOf(deps, task) : (saidOf(deps, task) ?? live.doing(open.id)),
    reason: task.reason,
    ralph: task.ralph,
    priority: task.priority,
    dependsOn: task.dependsOn,
    change: task.changeId,
    commit: task.head,
    base: task.base,
    iterations: task.iterations,
    iterationLimit: task.limits.iterations,
    reviewRound: task.reviewRound,
    spent: toSpent(store.spend.ofTask(task.id), iterations, clock.now()),
    pr: null,
  };
}

/** What the planner said of it in its last pass: what it waits for, or that its Ralph is quiet. */
export function saidOf({ live }: Pick<QueryDeps, 'live'>, task: Task): string | null {
  return live.lastPass()?.waits.find((wait) => wait.subject === task.id)?.reason ?? null;
}

/** What it waits for; and, where a step for it keeps failing, how. */
export function waitOf(deps: QueryDeps, task: Task): string | null {
  const { live, store } = deps;
  const said = saidOf(deps, task);
  const vms = store.vms.list("WHERE task = ? AND phase <> 'gone'", task.id).map((vm) => vm.id);
  const trouble = live.problems().find((problem) => problem.vm !== null && vms.includes(problem.vm));
  return trouble === undefined ? said : trouble.what;
}

function doesOf({ store }: QueryDeps, task: Task): string | null {
  const run = store.checkRuns.list("WHERE task = ? AND phase = 'running' LIMIT 1", task.id)[0];
  if (run === undefined) return null;
  return `${task.checks.length} checks run (${run.kind === 'verify' ? `clean VM, ${run.variant}` : run.kind})`;
}
