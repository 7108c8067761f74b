import { z } from 'zod';
import { readinessStages, vmPhases, vmPurposes } from '../domain/vm.ts';
import { commitHash, count, isoTime, priority, role, shownState, spent, taskPhase } from './common.ts';
import { inboxItem } from './inbox.ts';

/**
 * The one status document: `GET /v1/fleet` and `status --json`. Every face shows this and nothing else. What is not known is
 * null with a problem beside it.
 */
const text = z.string().nullable();
const accel = z.enum(['kvm', 'hvf', 'tcg']).nullable();

export const fleetHead = z.object({
  name: z.string(),
  driver: text,
  wall: z.enum(['device', 'process', 'guest']).nullable(),
  accel,
  desired: z.enum(['up', 'down', 'deleted']),
  /** The whole fleet frozen by `pause`. */
  paused: z.boolean(),
  daemon: z.object({ pid: count, version: z.string(), since: isoTime }),
});

export const hostView = z.object({
  memoryMiB: count.nullable(),
  cores: count,
  /** What of the memory could be had now; null where nobody can say. */
  availableMiB: count.nullable(),
  /** What its VMs may take at most. */
  promisedMiB: count,
  diskFreeGiB: z.number().nullable(),
  /** What the host is short of. `tight`: nothing new starts; `short`: VMs are frozen, their work saved; `gone`: frozen at once. */
  pressure: z
    .object({
      of: z.enum(['disk', 'memory']),
      level: z.enum(['tight', 'short', 'gone']),
      what: z.string(),
      freeMiB: count,
      /** It ends with so much free. */
      neededMiB: z.number().nullable(),
      since: isoTime,
    })
    .nullable(),
  /** How many VMs fleet.yaml asks for at once, and how many of that size fit on this host. */
  vms: z.object({ asked: count, fit: count }),
  /** Where not all fit: what happens, and sizes that would. */
  advice: text,
});

/** An image or a project's prepared disk: what `up` shows progress of before there is any VM. */
export const diskView = z.object({
  key: z.string(),
  kind: z.enum(['image', 'prepared']),
  project: text,
  phase: z.enum(['wanted', 'building', 'ready', 'failed', 'leaving']),
  since: isoTime,
  /** What it does now (`installing packages`), for the moving line. */
  progress: text,
  failure: text,
  /** What it takes on the host's disk; null when it is not there. */
  sizeBytes: count.nullable(),
  /** Tasks that stand on it and have not ended, and VMs that do. */
  usedBy: z.array(z.string()),
  /** For a prepared disk: what it is made from; another input is another disk. */
  recipe: z
    .object({
      packages: z.array(z.string()),
      run: text,
      inputs: z.array(z.string()),
      registries: z.array(z.string()),
      image: z.string(),
    })
    .nullable(),
});

export const vmView = z.object({
  id: z.string(),
  name: z.string(),
  /** What it is for. */
  role: z.enum(vmPurposes),
  /** `unknown` while driver or guest cannot say. */
  phase: z.enum([...vmPhases, 'unknown']),
  since: isoTime,
  stage: z.enum(readinessStages).nullable(),
  driver: z.string(),
  /** Forked from a warm template, or booted. */
  way: z.enum(['fork', 'boot']),
  accel,
  sshPort: z.number().int().nullable(),
  project: text,
  task: text,
  ralph: text,
  cpus: count,
  memoryMiB: count,
  /** Why it does not move, in a person's words; null while it does, or need not. */
  waitsFor: text,
  failure: text,
  /** What its disk is a copy of, in words; null for one that started from image or project disk. */
  origin: text,
  /** What its disk takes on the host; null where that was not asked. */
  diskBytes: count.nullable(),
  /** Of this VM, or of its task. */
  snapshots: z.object({ count, bytes: count }),
});

/** idle: no task · starting: its VM gets ready · working: an iteration runs · waiting: between two · parked · unknown */
export const ralphPhase = z.enum(['idle', 'starting', 'working', 'waiting', 'parked', 'unknown']);

export const ralphView = z.object({
  name: z.string(),
  role,
  vm: text,
  phase: ralphPhase,
  state: shownState,
  since: isoTime,
  task: text,
  /** `of` is the limit of iterations (of review rounds, for a reviewer). */
  iteration: z.object({ id: z.string(), n: count, of: count }).nullable(),
  /** A few words on what it does now (`edits src/a.ts`), from its own stream. */
  does: text,
  lastOutputAt: isoTime.nullable(),
  waitsFor: text,
  /** Name of the tmux session in the guest. */
  tmux: text,
  spent: spent.nullable(),
});

export const taskRow = z.object({
  id: z.string(),
  title: z.string(),
  project: z.string(),
  phase: taskPhase,
  state: shownState,
  since: isoTime,
  /** What it waits for, in a person's words; null while it moves. */
  waitsFor: text,
  does: text,
  reason: text,
  ralph: text,
  priority,
  dependsOn: z.array(z.string()),
  change: text,
  commit: commitHash.nullable(),
  base: commitHash.nullable(),
  iterations: count,
  iterationLimit: count,
  reviewRound: count,
  spent,
  pr: text,
});

export const approvalRow = z.object({
  task: z.string(),
  commit: commitHash,
  base: commitHash,
  /** sha256 of the evidence the approval would be bound to. */
  evidence: z.string(),
  since: isoTime,
  /** The reviewer's word; `none` where the fleet asks for no review. */
  verdict: z.enum(['approved', 'none']),
});

export const budgetView = z.object({
  per: z.enum(['run', 'day', 'month', 'total']),
  since: isoTime,
  resetsAt: isoTime.nullable(),
  limit: z.object({ tokens: count, usd: z.number(), calls: count }),
  /** In the present period; `reserved`: worst cases of the calls that are open. */
  spent,
  reserved: z.object({ tokens: z.number(), usd: z.number(), calls: z.number() }),
  warnAt: z.number(),
  /** A subscription's usage window, where the provider tells. */
  window: z.object({ usedRatio: z.number(), resetsAt: isoTime.nullable() }).nullable(),
});

export const problem = z.object({
  what: z.string(),
  since: isoTime,
  remedy: z.string(),
  severity: z.enum(['error', 'warning']),
});

export const fleetView = z.object({
  /** The last event this snapshot has in it: go on with `GET /v1/events?after=seq`. */
  seq: count,
  asOf: isoTime,
  /** When the last pass of the reconciler ended. */
  passAt: isoTime.nullable(),
  fleet: fleetHead,
  host: hostView,
  disks: z.array(diskView),
  vms: z.array(vmView),
  ralphs: z.array(ralphView),
  tasks: z.array(taskRow),
  approvals: z.array(approvalRow),
  inbox: z.array(inboxItem),
  budget: budgetView,
  limits: z.object({ reviewsWaiting: count }),
  problems: z.array(problem),
});

export type FleetView = z.infer<typeof fleetView>;
export type DiskView = z.infer<typeof diskView>;
export type VmView = z.infer<typeof vmView>;
export type RalphView = z.infer<typeof ralphView>;
export type TaskRow = z.infer<typeof taskRow>;
export type BudgetView = z.infer<typeof budgetView>;
export type Problem = z.infer<typeof problem>;
export type ApprovalRow = z.infer<typeof approvalRow>;
