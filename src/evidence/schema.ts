import { z } from 'zod';
import type { RunRecord } from '../domain/run-record.ts';

/**
 * An evidence bundle: one file that holds all it takes to judge a change, and, with the repository, to check it again. It may come from
 * a stranger: nothing in it is a path, and every text and list has its bound.
 */
const commitHash = z.string().regex(/^[0-9a-f]{40}$/);
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const diskKey = z.string().regex(/^[0-9a-f]{16}$/);
const word = z.string().max(200);
const line = z.string().max(4_000);
const prose = z.string().max(1_000_000);
const count = z.int().nonnegative();
const time = z.iso.datetime();
const many = 1_000;

const check = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]{1,100}$/),
  description: z.string().max(10_000),
  run: z
    .string()
    .min(1)
    .max(100_000)
    .refine((text) => !text.includes('\0'), 'holds a zero byte'),
  timeoutSeconds: z.number().positive().max(86_400),
});
const checks = z.array(check).max(many);

const facts = {
  id: word,
  passed: z.boolean(),
  exitCode: z.int().nullable(),
  timedOut: z.boolean(),
  ms: z.number().nonnegative(),
};
const results = z.array(z.strictObject(facts)).max(many);

const kept = z.strictObject({
  bytes: count,
  encoding: z.enum(['utf8', 'base64']),
  head: z.string().max(4 * 1024 * 1024),
  tail: z
    .string()
    .max(4 * 1024 * 1024)
    .nullable(),
});
const command = line.min(1).refine((text) => !text.includes('\0'), 'holds a zero byte');
const recipe = z.strictObject({
  packages: z.array(z.string().regex(/^[a-z0-9][a-z0-9+.-]{0,99}$/)).max(200),
  run: command.nullable(),
  inputs: z.array(line).max(many),
  inputsHash: digest,
  timeoutSeconds: z.number().positive().max(86_400),
  registries: z.array(line).max(100),
});
const tools = z.record(z.string().max(100), word);
const guest = z.strictObject({ kernel: word, image: word.nullable(), builder: word.nullable(), tools });
const variant = z.enum(['as-committed', 'restored']);
const outcome = z.enum(['passed', 'failed']);

export const runRecord = z.strictObject({
  format: z.literal('ralph-fleet-run'),
  version: z.literal(1),
  run: word,
  kind: z.enum(['baseline', 'loop', 'verify']),
  variant,
  commit: commitHash,
  tested: commitHash,
  base: commitHash,
  phase: outcome,
  startedAt: time,
  endedAt: time,
  checks,
  results: z.array(z.strictObject({ ...facts, stdout: kept.nullable(), stderr: kept.nullable() })).max(many),
  protected: z.array(line).max(many),
  services: z
    .array(z.strictObject({ name: z.string().regex(/^[a-z0-9-]{1,60}$/), run: command, ready: command.nullable() }))
    .max(20),
  vm: z.strictObject({
    id: z.string().regex(/^[0-9a-f]{8}$/),
    clean: z.boolean(),
    way: z.enum(['boot', 'fork']),
    size: z.strictObject({ cpus: z.number(), memoryMiB: z.number(), diskGiB: z.number() }),
  }),
  disk: z.strictObject({
    key: diskKey,
    kind: z.enum(['image', 'prepared']),
    image: diskKey,
    recipe: recipe.nullable(),
  }),
  versions: z.strictObject({
    fleet: word,
    driver: word,
    hypervisor: word.nullable(),
    accel: word.nullable(),
    guest: guest.nullable(),
  }),
}) satisfies z.ZodType<RunRecord>;

const finding = z.strictObject({
  file: line.nullable(),
  line: z.number().nullable(),
  severity: z.enum(['blocking', 'major', 'minor']),
  what: prose,
  why: prose,
});

/** What is in it; the manifest holds the sha256 of each of these parts. */
export const bundleParts = z.strictObject({
  task: z.strictObject({
    id: word,
    title: line,
    project: word,
    branch: line,
    asked: prose,
    checks,
    commit: commitHash,
    base: commitHash,
    change: word.nullable(),
    phase: word,
  }),
  /** The newest verification of each variant: what the evidence's digest is over. */
  verified: z
    .array(
      z.strictObject({ run: word, variant, tested: commitHash, phase: outcome, results, record: digest.nullable() }),
    )
    .max(2),
  /** The whole of each of these runs, and of verifications of this commit before them. */
  runs: z.array(runRecord).max(20),
  /** Every run of the checks on this commit and on its base that could be judged. */
  history: z
    .array(
      z.strictObject({ run: word, kind: word, variant, tested: commitHash, phase: outcome, startedAt: time, results }),
    )
    .max(many),
  flaky: z.array(z.strictObject({ check: word, commit: commitHash, passed: count, runs: count })).max(many),
  review: z
    .strictObject({
      phase: z.enum(['requested', 'running', 'approved', 'changes_requested', 'inconclusive']),
      round: count,
      findings: z.array(finding).max(many),
      summary: prose.nullable(),
      at: time,
    })
    .nullable(),
  approval: z
    .strictObject({
      decision: z.enum(['approve', 'reject']),
      by: line,
      channel: word,
      at: time,
      notes: prose.nullable(),
      evidence: digest,
    })
    .nullable(),
  /** What the commit adds to its base, as a git bundle; null: it adds nothing, or too much (then the repository must have it). */
  change: z.strictObject({ bytes: count, sha256: digest, base64: z.base64().max(70 * 1024 * 1024) }).nullable(),
});

export const evidenceBundle = z.strictObject({
  format: z.literal('ralph-fleet-evidence'),
  version: z.literal(1),
  madeAt: time,
  madeBy: word,
  /** What an approval is bound to. */
  evidence: digest,
  parts: bundleParts,
  /** sha256 of each part. */
  manifest: z.strictObject(Object.fromEntries(Object.keys(bundleParts.shape).map((part) => [part, digest]))),
  /** sha256 over all the rest. */
  digest,
});

export type BundleParts = z.output<typeof bundleParts>;
export type EvidenceBundle = z.output<typeof evidenceBundle>;
