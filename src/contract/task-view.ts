import { z } from 'zod';
import { iterationOutcomes } from '../domain/iteration.ts';
import { flagCategories, flagSeverities } from '../domain/signal.ts';
import { commitHash, count, isoTime, role } from './common.ts';
import { fleetEvent } from './events.ts';
import { taskRow } from './fleet-view.ts';

/** One task whole: `GET /v1/tasks/:id`. */
const text = z.string().nullable();

export const checkView = z.object({
  id: z.string(),
  description: z.string(),
  run: z.string(),
  timeoutSeconds: z.number().positive(),
});

export const checkResult = z.object({
  id: z.string(),
  passed: z.boolean(),
  exitCode: z.number().int().nullable(),
  timedOut: z.boolean(),
  ms: z.number().nonnegative(),
  tail: z.string(),
  stderrTail: z.string().optional(),
});

export const checkRunView = z.object({
  id: z.string(),
  kind: z.enum(['baseline', 'loop', 'verify']),
  variant: z.enum(['as-committed', 'restored']),
  commit: commitHash,
  base: commitHash,
  vm: text,
  phase: z.enum(['wanted', 'running', 'passed', 'failed', 'infra']),
  results: z.array(checkResult),
  startedAt: isoTime,
  endedAt: isoTime.nullable(),
  failure: text,
});

export const iterationView = z.object({
  id: z.string(),
  n: count,
  ralph: z.string(),
  role,
  vm: z.string(),
  phase: z.enum(['started', 'running', 'ended']),
  outcome: z.enum(iterationOutcomes).nullable(),
  reason: text,
  summary: text,
  /** When the gateway first saw prompt and tools in a call to the model; null where that was not looked for. */
  arrived: z.object({ prompt: isoTime.nullable(), tools: isoTime.nullable() }).nullable(),
  fromCommit: commitHash,
  savedCommit: commitHash.nullable(),
  startedAt: isoTime,
  endedAt: isoTime.nullable(),
});

export const findingView = z.object({
  file: text,
  line: z.number().int().nullable(),
  severity: z.enum(['minor', 'major', 'blocking']),
  what: z.string(),
  why: z.string(),
});

export const reviewView = z.object({
  id: z.string(),
  round: count,
  commit: commitHash,
  base: commitHash,
  phase: z.enum(['requested', 'running', 'approved', 'changes_requested', 'inconclusive']),
  findings: z.array(findingView),
  summary: text,
  at: isoTime,
});

export const approvalView = z.object({
  commit: commitHash,
  base: commitHash,
  evidence: z.string(),
  decision: z.enum(['approve', 'reject']),
  notes: text,
  channel: z.string(),
  by: z.string(),
  at: isoTime,
  state: z.enum(['active', 'used', 'void']),
  carriedFrom: text,
});

export const fileView = z.object({
  path: z.string(),
  status: z.enum(['added', 'modified', 'deleted', 'renamed', 'type-changed']),
  added: count.nullable(),
  deleted: count.nullable(),
  isProtected: z.boolean(),
  risk: z.enum(['core', 'tests', 'build', 'generated']),
});

export const questionView = z.object({
  /** Of this task. */
  id: count,
  question: z.string(),
  options: z.array(z.string()),
  preferred: text,
  /** Whether the task waits for the answer. */
  blocking: z.boolean(),
  askedAt: isoTime,
  /** Which of its iterations asked. */
  iteration: count,
  answer: text,
  /** When it was answered, or set aside without an answer. */
  closedAt: isoTime.nullable(),
});

/** What an agent wants a person to know, beside its task. */
export const flagView = z.object({
  id: z.string(),
  what: z.string(),
  severity: z.enum(flagSeverities),
  category: z.enum(flagCategories),
  ralph: z.string(),
  at: isoTime,
  seen: z.boolean(),
});

export const taskView = z.object({
  task: taskRow.extend({
    description: z.string(),
    checks: z.array(checkView),
    contextFiles: z.array(z.string()),
    agent: z.string(),
    model: text,
    until: isoTime.nullable(),
    uncounted: count,
    notes: z.array(z.object({ from: z.string(), text: z.string(), at: isoTime })),
    limits: z.object({
      iterations: count,
      reviewRounds: count,
      maxTokens: z.number().nullable(),
      maxUsd: z.number().nullable(),
      maxCalls: z.number().nullable(),
      maxDurationMs: z.number().nullable(),
    }),
    createdAt: isoTime,
  }),
  /** Id of its trace, 32 hexadecimal digits; null while no receiver of traces is configured. */
  trace: z.string().nullable().default(null),
  /** The open one an answer would be for. */
  question: questionView.nullable(),
  questions: z.array(questionView),
  /** Of a task that failed, stalled or is blocked: what was tried, what stood in the way, how to go on; a line each. */
  howItWent: z.array(z.string()),
  iterations: z.array(iterationView),
  checkRuns: z.array(checkRunView),
  /** Checks that passed and failed on its present commit. */
  flaky: z.array(z.object({ check: z.string(), commit: z.string(), passed: z.number(), runs: z.number() })),
  reviews: z.array(reviewView),
  approvals: z.array(approvalView),
  flags: z.array(flagView),
  files: z.array(fileView),
  timeline: z.array(fleetEvent),
});

export const diffView = z.object({
  task: z.string(),
  base: commitHash,
  commit: commitHash,
  files: z.array(fileView),
  /** A unified diff as git prints it; outside text. `truncated` when the end was left out. */
  patch: z.string(),
  truncated: z.boolean(),
});

export type TaskView = z.infer<typeof taskView>;
export type DiffView = z.infer<typeof diffView>;
export type FlagView = z.infer<typeof flagView>;
export type FileView = z.infer<typeof fileView>;
export type CheckRunView = z.infer<typeof checkRunView>;
export type ReviewView = z.infer<typeof reviewView>;
