import { z } from 'zod';
import { reclaimKinds } from '../domain/reclaim.ts';
import { learnedKinds, learnedScopes } from '../domain/signal.ts';
import { commitHash, count, priority } from './common.ts';
import { fleetConfig } from './fleet-config.ts';
import { diskView } from './fleet-view.ts';
import { checkView } from './task-view.ts';

/** Requests and answers of everything that changes desired state. A missing optional field means its default. */
export const fleetUp = z.strictObject({
  /** fleet.yaml after defaults, read by the CLI; null = what the daemon knows (or the defaults). */
  config: fleetConfig.nullable().default(null),
  /** Registers the bundled sample project, takes the scripted agent and submits its task, if not there yet. */
  demo: z.boolean().default(false),
});
export const fleetDown = z.strictObject({ delete: z.boolean().default(false) });
export const fleetPurge = z.strictObject({
  /** False lists only what would go. */
  confirmed: z.boolean().default(false),
});
export const purgeAnswer = z.object({
  purged: z.boolean(),
  unmerged: z.array(
    z.object({ task: z.string(), title: z.string(), phase: z.string(), commit: commitHash.nullable() }),
  ),
  paths: z.array(z.string()),
});

export const imageGc = z.strictObject({
  /** False lists only what would go. */
  confirmed: z.boolean().default(false),
});
export const imageGcAnswer = z.object({ removed: z.boolean(), disks: z.array(diskView) });

/** What `gc` answers: everything of no use any more, not disks alone. */
export const gcAnswer = z.object({
  removed: z.boolean(),
  items: z.array(
    z.object({
      kind: z.enum(reclaimKinds),
      name: z.string(),
      why: z.string(),
      sizeBytes: z.number().int().nonnegative(),
    }),
  ),
  /** Bytes of all items. */
  sizeBytes: z.number().int().nonnegative(),
  /** What could not be looked through or removed. */
  problems: z.array(z.string()),
});
export type GcAnswer = z.output<typeof gcAnswer>;

export const projectSettings = z.strictObject({
  setup: z
    .strictObject({ run: z.string(), inputs: z.array(z.string()), timeoutSeconds: z.number().positive() })
    .nullable(),
  protected: z.array(z.string()),
  checks: z.array(checkView),
  registries: z.array(z.string()),
  packages: z.array(z.string()),
  services: z.array(z.strictObject({ name: z.string(), run: z.string(), ready: z.string().nullable() })),
});
export const projectView = z.object({
  name: z.string(),
  path: z.string(),
  branch: z.string(),
  settings: projectSettings,
  settingsFrom: commitHash.nullable(),
  remote: z.string().nullable(),
  addedAt: z.iso.datetime(),
});
export type ProjectView = z.infer<typeof projectView>;

/** Looks without changing anything: what the checkout is, and the settings `projects add` would use. */
export const projectInspect = z.strictObject({ path: z.string() });
export const projectInspection = z.object({
  path: z.string(),
  name: z.string(),
  branch: z.string().nullable(),
  tip: commitHash.nullable(),
  dirty: z.boolean(),
  settings: projectSettings,
  /** `file`: .ralph/project.yaml at the tip; `proposed`: from what the repository shows. */
  settingsFrom: z.enum(['file', 'proposed']),
  problems: z.array(z.object({ what: z.string(), remedy: z.string() })),
  /** What .ralph/project.yaml asks for and does not get, a line each. */
  warnings: z.array(z.string()),
});
export const projectAdd = z.strictObject({
  path: z.string(),
  name: z.string().nullable().default(null),
  branch: z.string().nullable().default(null),
  /** Confirmed proposed settings; null = take .ralph/project.yaml at the tip (or refuse when there is none). */
  settings: projectSettings.nullable().default(null),
});

/** What agents learned about a project. Their words, checked by nobody. */
export const lessonView = z.object({
  id: z.string(),
  text: z.string(),
  kind: z.enum(learnedKinds),
  scope: z.enum(learnedScopes),
  task: z.string(),
  iteration: z.string(),
  at: z.iso.datetime(),
  /** In how many iterations it was said. */
  times: count,
});
export type LessonView = z.infer<typeof lessonView>;
export const projectForget = z.strictObject({
  /** Null: all of them. */
  id: z.string().nullable(),
});

export const taskDraft = z.strictObject({
  ref: z.string().nullable(),
  title: z.string().min(1).max(200),
  description: z.string(),
  checks: z.array(checkView),
  dependsOn: z.array(z.string()),
  contextFiles: z.array(z.string()),
  priority,
  agent: z.string().nullable(),
  model: z.string().nullable(),
  limits: z.strictObject({
    iterations: count.nullable(),
    maxTokens: z.number().positive().nullable(),
    maxUsd: z.number().positive().nullable(),
    maxCalls: z.number().positive().nullable(),
    maxDurationMs: z.number().positive().nullable(),
  }),
});
export const taskSubmit = z.strictObject({
  /** null = the only project there is. */
  project: z.string().nullable().default(null),
  drafts: z.array(taskDraft).min(1).max(500),
  /** What the scripted agent plays; nothing else needs it. */
  scenario: z.unknown().optional(),
});
export const taskSubmitted = z.object({
  tasks: z.array(z.object({ id: z.string(), ref: z.string().nullable(), title: z.string() })),
});

export const taskApprove = z.strictObject({
  commit: commitHash,
  /** The evidence the person saw, when they saw one; a different current one refuses with `stale_commit`. */
  evidence: z.string().nullable().default(null),
  channel: z.enum(['terminal', 'flag', 'api']),
  by: z.string().min(1),
});
export const taskReject = z.strictObject({
  notes: z.string().min(1),
  by: z.string().min(1),
  channel: z.enum(['terminal', 'flag', 'api']),
});
export const taskAnswer = z.strictObject({
  answer: z.string().min(1),
  by: z.string().min(1),
  /** The question that was shown; without it the one that holds the task up. */
  question: count.optional(),
});
/** `notes`: what its implementer should know. */
export const taskRetry = z.strictObject({ notes: z.string().min(1).nullable().default(null) });
export const taskPrioritize = z.strictObject({ priority });

/** null = the image fleet.yaml asks for; else its key or the start of it. */
export const imageVerify = z.strictObject({ key: z.string().min(1).nullable().default(null) });
export const imageVerified = z.object({
  key: z.string(),
  ok: z.boolean(),
  contract: z.number().int(),
  /** The key the guest itself tells. */
  image: z.string(),
  tools: z.record(z.string(), z.string()),
  problems: z.array(z.string()),
  ms: z.number().int().nonnegative(),
});
export type ImageVerified = z.output<typeof imageVerified>;
