import { z } from 'zod';
import { commitHash, count, isoTime } from './common.ts';

/** What evidence records, done once more and compared: `POST /v1/replays`, `GET /v1/replays/:id`. */
const facts = z.object({ passed: z.boolean(), exitCode: z.int().nullable(), timedOut: z.boolean(), ms: z.number() });

export const replayView = z.object({
  id: z.string(),
  /** null: of a bundle that somebody handed over. */
  task: z.string().nullable(),
  title: z.string(),
  commit: commitHash,
  base: commitHash,
  phase: z.enum(['wanted', 'running', 'ended', 'failed', 'cancelled']),
  /** What it does or waits for now; null when it is over. */
  does: z.string().nullable(),
  reason: z.string().nullable(),
  /** null: there is none (yet). */
  verdict: z.enum(['same', 'different']).nullable(),
  /** What is not as it was when it was recorded. */
  remarks: z.array(z.string()),
  vm: z.string().nullable(),
  disk: z.string().nullable(),
  rows: z.array(
    z.object({
      variant: z.enum(['as-committed', 'restored']),
      check: z.string(),
      recorded: facts.nullable(),
      now: facts.nullable(),
      isSame: z.boolean(),
      /** What it printed last now. */
      tail: z.string(),
    }),
  ),
  startedAt: isoTime,
  endedAt: isoTime.nullable(),
});
export type ReplayView = z.infer<typeof replayView>;

/** A task of this fleet, or a bundle and a repository on this host (absolute paths). */
export const replayStart = z.union([
  z.strictObject({ task: z.string() }),
  z.strictObject({ bundle: z.string().min(1), repository: z.string().min(1) }),
]);

/** An absolute path: of a file that is not there yet, or of a folder. */
export const evidenceExport = z.strictObject({ path: z.string().min(1) });
export const evidenceExported = z.object({ path: z.string(), bytes: count, digest: z.string() });
