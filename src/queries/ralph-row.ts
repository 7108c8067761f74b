import type { RalphView } from '../contract/fleet-view.ts';
import type { Ralph } from '../domain/fleet.ts';
import type { Iteration } from '../domain/iteration.ts';
import { type ShownState, shownState } from '../domain/states.ts';
import type { Task } from '../domain/task.ts';
import { toIso } from '../lib/clock.ts';
import type { QueryDeps } from './deps.ts';
import { toSpent } from './spent.ts';
import { saidOf, waitOf } from './task-row.ts';

/** One Ralph: what it does, since when, and what it waits for. */
export function ralphRow(deps: QueryDeps, ralph: Ralph): RalphView {
  const { store, clock } = deps;
  const task = ralph.task === null ? null : store.tasks.get(ralph.task);
  const open = store.iterations.list("WHERE ralph = ? AND phase <> 'ended' LIMIT 1", ralph.name)[0] ?? null;
  const vm = ralph.vm ?? store.vms.list("WHERE ralph = ? AND phase <> 'gone' LIMIT 1", ralph.name)[0]?.id ?? null;
  const phase = phaseOf(task, open);
  const spend = open === null ? null : store.spend.ofIteration(open.id);
  const now = clock.now();
  return {
    name: ralph.name,
    role: ralph.role,
    vm: vm === null ? null : `rf-${vm}`,
    phase,
    state: stateOf(task, phase),
    since: toIso(open?.startedAt ?? (task === null ? ralph.since : task.since)),
    task: task?.id ?? null,
    iteration:
      task === null || open === null ? null : { id: open.id, n: numberOf(task, open), of: limitOf(task, open) },
    does: open === null ? doesBetween(deps, task) : doesNow(deps, task, open),
    lastOutputAt: open?.lastOutputAt == null ? null : toIso(open.lastOutputAt),
    waitsFor: task === null || open !== null ? null : waitOf(deps, task),
    tmux: open === null ? null : ralph.name,
    spent: open === null ? null : toSpent(spend ?? { tokens: 0, usd: 0, calls: 0 }, [open], now),
  };
}

function numberOf(task: Task, open: Iteration): number {
  return open.role === 'implementer' ? task.iterations + 1 : task.reviewRound;
}

function limitOf(task: Task, open: Iteration): number {
  return open.role === 'implementer' ? task.limits.iterations : task.limits.reviewRounds;
}

function phaseOf(task: Task | null, open: Iteration | null): RalphView['phase'] {
  if (open !== null) return 'working';
  if (task === null) return 'idle';
  return task.phase === 'claimed' ? 'starting' : 'waiting';
}

function stateOf(task: Task | null, phase: RalphView['phase']): ShownState {
  if (task === null || phase === 'idle') return 'waiting';
  return shownState(task.phase, task.seen);
}

/** Where something is the matter with it, that says more than what it did last. */
function doesNow(deps: QueryDeps, task: Task | null, open: Iteration): string | null {
  return (task === null ? null : saidOf(deps, task)) ?? deps.live.doing(open.id);
}

function doesBetween({ store }: QueryDeps, task: Task | null): string | null {
  if (task === null) return null;
  const run = store.checkRuns.list("WHERE task = ? AND phase = 'running' LIMIT 1", task.id)[0];
  return run === undefined ? null : `its checks run (${run.kind})`;
}
