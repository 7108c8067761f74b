import { z } from 'zod';
import { commitHash, count, isoTime, spent } from './common.ts';
import { checkResult, fileView, findingView, flagView } from './task-view.ts';

/** What an approval is given on: `GET /v1/tasks/:id/evidence`. Facts are computed, never asked of the agent (but `said`). */
const text = z.string().nullable();

export const proofRow = z.object({
  id: z.string(),
  description: z.string(),
  run: z.string(),
  /** On the base, before the first token; null when it was not run. Failing there and passing now is the proof. */
  baseline: checkResult.nullable(),
  asCommitted: checkResult.nullable(),
  /** With the protected files put back to the base; null where none differs. */
  restored: checkResult.nullable(),
});

export const calledOut = z.object({
  kind: z.enum([
    'protected-changed',
    'test-weakened',
    'test-deleted',
    'ci-changed',
    'dependency-added',
    'left-out',
    'other',
  ]),
  path: z.string(),
  what: z.string(),
});

export const evidenceView = z.object({
  task: z.string(),
  title: z.string(),
  project: z.string(),
  asked: z.string(),
  since: isoTime,
  phase: z.string(),
  commit: commitHash,
  base: commitHash,
  baseBranch: z.string(),
  /** Whether base is still the branch's tip; null when the checkout cannot be read. */
  baseIsTip: z.boolean().nullable(),
  /** sha256 over everything below that an approval is bound to; 64 hexadecimal digits. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  /** Ids of tasks that wait for this one. */
  dependents: z.array(z.string()),
  proof: z.object({
    passed: count,
    total: count,
    ms: z.number().nonnegative(),
    vm: text,
    /** True when no agent ever touched the VM. */
    cleanVm: z.boolean(),
    rows: z.array(proofRow),
  }),
  /** Checks that passed and failed on this very commit; they say little about it. */
  flaky: z.array(z.object({ check: z.string(), commit: commitHash, passed: count, runs: count })),
  calledOut: z.array(calledOut),
  review: z
    .object({
      verdict: z.enum(['approved', 'changes_requested', 'inconclusive']),
      round: count,
      rounds: count,
      findings: z.array(findingView),
      solvedEarlier: count,
      summary: text,
    })
    .nullable(),
  files: z.array(fileView),
  cost: z.object({ iterations: count, uncounted: count, spent, limitUsd: z.number().nullable() }),
  /** In how many of its iterations prompt and tools were seen on their way to the model; null where none was looked at. */
  arrived: z.object({ iterations: count, prompt: count, tools: count }).nullable(),
  flags: z.array(flagView),
  /** The implementer's own closing words, unverified. */
  said: text,
  undo: z.string(),
});
export type EvidenceView = z.infer<typeof evidenceView>;
