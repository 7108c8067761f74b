import type { Approval } from '../domain/approval.ts';
import type { BudgetChange, BudgetStop } from '../domain/budget.ts';
import type { CheckRun } from '../domain/check.ts';
import type { Disk } from '../domain/disk.ts';
import type { RaisedFlag } from '../domain/flag.ts';
import type { Ralph } from '../domain/fleet.ts';
import type { Iteration } from '../domain/iteration.ts';
import type { Project } from '../domain/project.ts';
import type { Replay } from '../domain/replay.ts';
import type { Review } from '../domain/review.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import { endedPhases, type Task } from '../domain/task.ts';
import type { KnownLimit } from '../domain/usage-limit.ts';
import type { Vm } from '../domain/vm.ts';
import type { Standing } from './standing.ts';
import type { Table } from './table.ts';

/** What has not come to its end: what every pass of the controller looks at. The rest is history, and stays on the disk. */
export interface Alive {
  /** All of them. */
  projects: Standing<Project>;
  ralphs: Standing<Ralph>;
  disks: Standing<Disk>;
  snapshots: Standing<Snapshot>;
  budgets: Standing<BudgetChange>;
  stops: Standing<BudgetStop>;
  limits: Standing<KnownLimit>;
  /** Not ended, or failed and not looked at by a person yet. */
  tasks: Standing<Task>;
  vms: Standing<Vm>;
  /** Of tasks that have not ended; and those that run on after their task's end. */
  iterations: Standing<Iteration>;
  checkRuns: Standing<CheckRun>;
  reviews: Standing<Review>;
  /** Those of which something is left but their row. */
  replays: Standing<Replay>;
  /** In force, or the rejections of tasks that have not ended. */
  approvals: Standing<Approval>;
  /** Those that ask for a person. */
  flags: Standing<RaisedFlag>;
}

type Tables = {
  [K in keyof Alive]: Alive[K] extends Standing<infer T extends object> ? Pick<Table<T>, 'standing'> : never;
};

export function createAlive(tables: Tables): Alive {
  const { tasks, vms, iterations, checkRuns, reviews, approvals } = tables;
  const isOpen = { phase: { notIn: endedPhases } };
  const task = { of: tasks.standing([isOpen]) };
  return {
    projects: tables.projects.standing([{}]),
    ralphs: tables.ralphs.standing([{}]),
    disks: tables.disks.standing([{}]),
    snapshots: tables.snapshots.standing([{}]),
    budgets: tables.budgets.standing([{}]),
    stops: tables.stops.standing([{}]),
    limits: tables.limits.standing([{}]),
    tasks: tasks.standing([isOpen, { phase: { in: ['failed'] }, seen: { in: [false] } }]),
    vms: vms.standing([{ phase: { notIn: ['gone'] } }]),
    iterations: iterations.standing([{ phase: { notIn: ['ended'] } }, { task }]),
    checkRuns: checkRuns.standing([{ phase: { in: ['running'] } }, { task }]),
    reviews: reviews.standing([{ task }]),
    flags: tables.flags.standing([{ severity: { in: ['high'] }, seen: { in: [false] } }]),
    replays: tables.replays.standing([{ tidied: { in: [false] } }]),
    approvals: approvals.standing([{ state: { in: ['active'] } }, { decision: { in: ['reject'] }, task }]),
  };
}
