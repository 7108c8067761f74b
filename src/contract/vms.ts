import { z } from 'zod';
import { commitHash, count, done, isoTime } from './common.ts';
import { vmView } from './fleet-view.ts';

/** Requests and answers about single VMs. `:id` of a path is a VM, the Ralph in it, or a task; where it makes sense a snapshot. */
const text = z.string().nullable();

export const snapshotView = z.object({
  id: z.string(),
  /** `s-<id>` */
  name: z.string(),
  vm: z.string(),
  task: text,
  /** `iteration`: by the fleet, after one; `person`: asked for; `clone`: for a clone that is on its way. */
  why: z.enum(['iteration', 'person', 'clone']),
  n: count.nullable(),
  commit: commitHash.nullable(),
  phase: z.enum(['wanted', 'ready', 'failed', 'leaving']),
  since: isoTime,
  /** What it takes on the host's disk; null until it is taken. */
  bytes: count.nullable(),
  failure: text,
  /** The checks passed after its iteration. */
  good: z.boolean(),
});
export type SnapshotView = z.infer<typeof snapshotView>;

export const vmDetails = z.object({
  /** Null: the task has none now. */
  vm: vmView.nullable(),
  /** Whose snapshots they are. */
  task: text,
  snapshots: z.array(snapshotView),
  /** What works in it now, in words; null when nothing does. */
  works: text,
});
export type VmDetails = z.infer<typeof vmDetails>;

/** `name`: what was made. */
export const vmMade = done.extend({ name: z.string() });
/** `to`: the number of an iteration, or a snapshot. */
export const vmRewind = z.strictObject({
  to: z.string().min(1).max(20),
  notes: z.string().min(1).nullable().default(null),
});
