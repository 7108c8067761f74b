import type { BudgetStop } from '../../domain/budget.ts';
import type { CheckRunKind, CheckVariant } from '../../domain/check.ts';
import type { InboxItem } from '../../domain/inbox-item.ts';
import type { RalphRole } from '../../domain/iteration.ts';
import type { Service } from '../../domain/project.ts';
import type { Note, Task, TaskPhase } from '../../domain/task.ts';
import type { VmOrigin, VmPurpose, VmWay } from '../../domain/vm.ts';

/**
 * Everything the controller can do to the world, as data. One executor per kind, in execute/. Each step is idempotent and the
 * process may die before, in and after it. `key` names what it works on: two steps with one key never run at once.
 */
export interface StepMap {
  /** Ralph slots as fleet.yaml wants them. */
  sync_ralphs: Record<never, never>;
  free_ralph: { ralph: string };

  build_image: { disk: string };
  start_setup: { disk: string; vm: string };
  seal_disk: { disk: string; vm: string };
  fail_disk: { disk: string; reason: string };
  drop_disk: { disk: string };

  request_vm: {
    purpose: VmPurpose;
    project: string | null;
    task: string | null;
    ralph: string | null;
    /** The disk it starts from. */
    disk: string;
    /** For `setup`: the disk it prepares. */
    prepares: string | null;
    /** A warm VM to take instead of a new one. */
    warm: string | null;
    /** How a new one is to start. */
    way: VmWay;
    /** What its disk is to be a copy of. */
    origin?: VmOrigin;
  };
  create_vm: { vm: string };
  fork_vm: { vm: string };
  /** A fork that came to nothing, and that nobody has used: it boots instead. */
  unfork_vm: { vm: string; reason: string };
  /** The booted VM is saved for others to be forked from. */
  save_template: { vm: string };
  start_vm: { vm: string };
  probe_vm: { vm: string };
  stop_vm: { vm: string };
  fail_vm: { vm: string; reason: string };
  /** It died or went silent with work on its disk: forced off, to be started again once. */
  revive_vm: { vm: string; reason: string };
  /** Undefined by hand with work on its disk: defined again on it, to be started. */
  redefine_vm: { vm: string };
  /** Suspended by hand, or frozen by the fleet and there is room again. */
  resume_vm: { vm: string };
  /** Frozen: the host is short of room. */
  hold_vm: { vm: string; why: string };
  free_ballast: Record<never, never>;
  make_ballast: { mib: number };
  /** Store only: nobody needs it any more. */
  release_vm: { vm: string };
  delete_vm: { vm: string };
  /** Carries our mark, no row knows it. */
  reclaim_vm: { vm: string };
  /** The gateway keeps one to a VM that is no more. */
  close_tunnel: { vm: string };
  /** `services`: what then runs beside whatever comes. */
  seed_workspace: { vm: string; project: string; commit: string; folder: string; services: readonly Service[] };

  /** Store only: the snapshot after an iteration, to be taken of its VM. */
  want_snapshot: { iteration: string; vm: string };
  take_snapshot: { snapshot: string; vm: string };
  drop_snapshot: { snapshot: string };
  /** Its change back to where a person wants it, and its VM given back. */
  rewind_task: { task: string };

  claim_task: { task: string; ralph: string };
  move_task: {
    task: string;
    from: TaskPhase;
    to: TaskPhase;
    reason: string | null;
    until?: number;
    notes?: Note[];
    patch?: Partial<Task>;
    /** What it is parked for, where only the planner knows. */
    stop?: BudgetStop;
  };
  start_iteration: { task: string; vm: string; ralph: string; role: RalphRole; review: string | null };
  launch_iteration: { iteration: string; vm: string };
  pull_stream: { iteration: string; vm: string };
  save_work: { iteration: string; vm: string };
  /**
   * `stop`: its process still runs and is ended first. `silent`: for want of any sign of life, which is its own fault.
   * `vmLost`: there is no guest to ask any more.
   */
  end_iteration: { iteration: string; vm: string; stop: boolean; silent: boolean; vmLost: boolean; why: string };

  start_checks: {
    task: string;
    vm: string;
    kind: CheckRunKind;
    variant: CheckVariant;
    commit: string;
    base: string;
    iteration: string | null;
    /** The run it makes once more. */
    again?: string;
  };
  end_checks: { checkRun: string; vm: string; lost: boolean; why: string };

  prepare_replay: { replay: string };
  start_replay: { replay: string; vm: string; variant: CheckVariant };
  end_replay_run: { replay: string; job: string; vm: string; lost: boolean; why: string };
  end_replay: { replay: string; phase: 'ended' | 'failed'; reason: string | null };
  tidy_replay: { replay: string };

  request_review: { task: string };
  integrate: { task: string };
  ping: { item: InboxItem };
}

export type StepKind = keyof StepMap;
export type Step = { [K in StepKind]: { kind: K; key: string; reason: string; data: StepMap[K] } }[StepKind];

/** Why something does not move, and what would move it; shown by `why`. */
export interface Wait {
  subject: string;
  reason: string;
}

export interface Plan {
  steps: Step[];
  waits: Wait[];
}

export interface PlanBuilder {
  step<K extends StepKind>(kind: K, key: string, reason: string, data: StepMap[K]): void;
  wait(subject: string, reason: string): void;
}

export function createPlanBuilder(): PlanBuilder & { plan: Plan } {
  const plan: Plan = { steps: [], waits: [] };
  return {
    plan,
    step: (kind, key, reason, data) => void plan.steps.push({ kind, key, reason, data } as Step),
    wait: (subject, reason) => void plan.waits.push({ subject, reason }),
  };
}
