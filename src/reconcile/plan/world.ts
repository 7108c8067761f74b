import type { Approval } from '../../domain/approval.ts';
import type { BudgetChange, BudgetStop } from '../../domain/budget.ts';
import type { CheckRun } from '../../domain/check.ts';
import type { CredentialLook } from '../../domain/credential.ts';
import type { Disk } from '../../domain/disk.ts';
import type { RaisedFlag } from '../../domain/flag.ts';
import type { FleetConfig, FleetDesire, Ralph } from '../../domain/fleet.ts';
import type { HostLook } from '../../domain/host.ts';
import type { Iteration } from '../../domain/iteration.ts';
import type { Pressure } from '../../domain/pressure.ts';
import type { Project } from '../../domain/project.ts';
import { isReplayOpen, type Replay } from '../../domain/replay.ts';
import type { Review } from '../../domain/review.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import type { Task } from '../../domain/task.ts';
import type { KnownLimit } from '../../domain/usage-limit.ts';
import type { Vm, VmPurpose } from '../../domain/vm.ts';

/**
 * All the planner may know: what is desired (rows of the store), what was observed, and the time. Pure data; the planner
 * changes none of it. "Unknown" is a value of its own: it never yields a destructive step.
 */
export interface World {
  now: number;
  config: FleetConfig;
  desire: FleetDesire;
  /** Nothing new is claimed or started; what runs goes on. */
  paused: boolean;
  /** How many VMs may hold room on this host at once. */
  capacity: number;
  projects: readonly Project[];
  /** Every task that has not ended, and the ended ones others depend on. */
  tasks: readonly Task[];
  /** All but those that are gone. */
  vms: readonly Vm[];
  snapshots: readonly Snapshot[];
  ralphs: readonly Ralph[];
  disks: readonly Disk[];
  /** The open ones, and the newest ended one per task and role. */
  iterations: readonly Iteration[];
  /** Those of the tasks above. */
  checkRuns: readonly CheckRun[];
  reviews: readonly Review[];
  /** Those that are not over, or have left something. */
  replays: readonly Replay[];
  /** Active ones, and what a person rejected. */
  approvals: readonly Approval[];
  /** Raised by agents, high and not seen yet. */
  flags: readonly RaisedFlag[];
  /** Ids of inbox items a person was pinged for. */
  pinged: ReadonlySet<string>;
  /** What people have set in the budget tree, and which of its levels have refused calls. */
  budgets: readonly BudgetChange[];
  stops: readonly BudgetStop[];
  /** Usage limits that the gateway told of. */
  limits: readonly KnownLimit[];
  /** Whose model API an agent CLI calls, by its name. */
  providers: ReadonlyMap<string, string | null>;
  observed: Observed;
}

export interface Observed {
  /** When the look began. A row that moved since then is newer than what was seen of it. */
  askedAt: number;
  driver: { ok: true; vms: ReadonlyMap<string, VmLook> } | { ok: false; reason: string; since: number };
  /** Per VM that is ready and was asked. A VM that is not in it was not asked. */
  guests: ReadonlyMap<string, GuestSeen>;
  /** For how many ms running iterations have given no sign of life; one that is not in it is not known to be silent. */
  quiet: ReadonlyMap<string, number>;
  /** The key of the image VMs should start from; null while the builder cannot say. */
  imageKey: string | null;
  /** VMs the gateway keeps a tunnel to; null while it cannot be asked. */
  tunnels: readonly string[] | null;
  accel: 'kvm' | 'hvf' | 'tcg' | null;
  /** How the credential stands that an agent CLI calls its models with; null when it cannot be asked. */
  credentials: ReadonlyMap<string, CredentialLook> | null;
  /** Null while nobody can say; then only `capacity` holds. */
  host: (HostLook & { pressure: Pressure | null; residentMiB: ReadonlyMap<string, number> }) | null;
  /** Keys of the disks with a template that VMs can be forked from now; null where there are no forks, or it cannot be asked. */
  templates: ReadonlySet<string> | null;
  /** Ids of the snapshots on the host, and whether each is whole; null where the driver cannot be asked. */
  snapshots: ReadonlyMap<string, boolean> | null;
}

/** `since`: the first of the looks in a row that saw it so. */
export interface VmLook {
  state: VmSeen;
  since: number;
}

/** `partial`: its disk is there, but nothing is defined on it. `diskless`: its disk is gone. */
export type VmSeen = 'running' | 'paused' | 'off' | 'crashed' | 'partial' | 'diskless' | 'unknown';

export type GuestSeen = { ok: true; jobs: ReadonlyMap<string, JobSeen> } | { ok: false; reason: string; since: number };

export interface JobSeen {
  state: 'running' | 'ended' | 'lost';
  streamBytes: number;
}

export function findVm(world: World, task: string, purpose: VmPurpose): Vm | null {
  return world.vms.find((vm) => vm.task === task && vm.purpose === purpose && isUsable(vm)) ?? null;
}

/** Wanted by its row and not on its way out. */
export function isUsable(vm: Vm): boolean {
  return vm.desired !== 'gone' && vm.phase !== 'failed' && vm.phase !== 'deleting' && vm.phase !== 'gone';
}

export function openIteration(world: World, task: string): Iteration | null {
  return world.iterations.find((it) => it.task === task && it.phase !== 'ended') ?? null;
}

export function lastIteration(world: World, task: string, role: Iteration['role']): Iteration | null {
  return newestOf(world.iterations.filter((it) => it.task === task && it.role === role && it.phase === 'ended'));
}

/** Of either role. */
export function newestIteration(world: World, task: string): Iteration | null {
  return newestOf(world.iterations.filter((it) => it.task === task && it.phase === 'ended'));
}

function newestOf(iterations: readonly Iteration[]): Iteration | null {
  return iterations.reduce<Iteration | null>(
    (newest, it) => (newest === null || it.startedAt >= newest.startedAt ? it : newest),
    null,
  );
}

export function diskOf(world: World, key: string | null): Disk | null {
  return world.disks.find((d) => d.key === key) ?? null;
}

/** A disk that an open replay starts from: needed whatever the fleet is asked to be. */
export function isForReplay(world: World, disk: string): boolean {
  return world.replays.some((replay) => isReplayOpen(replay) && replay.disk === disk);
}
