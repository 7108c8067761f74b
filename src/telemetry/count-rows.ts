import type { Approval } from '../domain/approval.ts';
import type { CheckRun } from '../domain/check.ts';
import type { Iteration } from '../domain/iteration.ts';
import type { Review } from '../domain/review.ts';
import type { Task } from '../domain/task.ts';
import type { Vm } from '../domain/vm.ts';
import type { Meters } from './meters.ts';
import type { CounterName, LabelsOf } from './metrics.ts';

/** Counts what happens to rows, at the moment they are written. Totals go where they are kept, times into this process's histograms. */
export interface RowCounter {
  task(row: Task, before: Task | null): void;
  vm(row: Vm, before: Vm | null): void;
  iteration(row: Iteration, before: Iteration | null): void;
  checkRun(row: CheckRun, before: CheckRun | null): void;
  review(row: Review, before: Review | null): void;
  approval(row: Approval, before: Approval | null): void;
}

export interface RowCounterDeps {
  add: <K extends CounterName>(name: K, labels: LabelsOf<K>, by: number) => void;
  meters: Pick<Meters, 'observe'>;
  now: () => number;
}

const comesUp: readonly Vm['phase'][] = ['preparing', 'starting', 'identifying'];
const finals: readonly Task['phase'][] = ['merged', 'pr_open', 'closed', 'failed', 'cancelled'];

export function createRowCounter({ add, meters, now }: RowCounterDeps): RowCounter {
  /** When the start of a VM began that is not ready yet. */
  const begun = new Map<string, number>();
  const seconds = (from: number, to: number) => Math.max(0, to - from) / 1000;

  function stage(row: Vm, before: Vm): void {
    if (before.stage === null || before.stage === row.stage) return;
    const until = row.stage === null ? now() : row.stageSince;
    meters.observe('vm_stage_seconds', { way: before.way, stage: before.stage }, seconds(before.stageSince, until));
  }

  function start(row: Vm, before: Vm): void {
    const { id, phase } = row;
    if (before.phase === 'wanted' || before.phase === 'stopped') begun.set(id, now());
    if (!comesUp.includes(before.phase)) return;
    if (phase === 'ready') {
      add('vm_starts_total', { way: row.way, result: 'ok' }, 1);
      const began = begun.get(id);
      if (began !== undefined) meters.observe('vm_ready_seconds', { way: row.way }, seconds(began, now()));
    }
    // A fork that comes to nothing boots instead.
    const isUnforked = before.way === 'fork' && row.way === 'boot';
    if (phase === 'failed' || isUnforked) add('vm_starts_total', { way: before.way, result: 'failed' }, 1);
    if (!comesUp.includes(phase)) begun.delete(id);
  }

  return {
    task(row, before) {
      if (before === null || before.phase === row.phase) return;
      meters.observe('task_phase_seconds', { phase: before.phase }, seconds(before.since, row.since));
      if (finals.includes(row.phase)) add('tasks_finished_total', { project: row.project, result: row.phase }, 1);
      if (row.phase === 'merged') meters.observe('task_lead_time_seconds', {}, seconds(row.createdAt, row.since));
    },
    vm(row, before) {
      if (before === null) return;
      stage(row, before);
      if (row.phase === before.phase && row.way === before.way) return;
      start(row, before);
      if (row.phase === 'failed' && before.phase !== 'failed') add('vm_failures_total', { purpose: row.purpose }, 1);
    },
    iteration(row, before) {
      if (row.phase !== 'ended' || before === null || before.phase === 'ended') return;
      add('iterations_total', { role: row.role, outcome: row.outcome ?? 'infra' }, 1);
      meters.observe('iteration_seconds', { role: row.role }, seconds(row.startedAt, row.endedAt ?? now()));
    },
    checkRun(row, before) {
      const { kind, phase } = row;
      if (before === null || before.phase === phase || phase === 'wanted' || phase === 'running') return;
      add('checks_total', { kind, result: phase }, 1);
      meters.observe('check_seconds', { kind }, seconds(row.startedAt, row.endedAt ?? now()));
    },
    review(row, before) {
      const { phase } = row;
      if (before === null || before.phase === phase || phase === 'requested' || phase === 'running') return;
      add('reviews_total', { verdict: phase }, 1);
    },
    approval(row, before) {
      if (before === null && row.carriedFrom === null) add('approvals_total', { decision: row.decision }, 1);
    },
  };
}
