import { z } from 'zod';
import { count, isoTime, spent, taskPhase } from './common.ts';

/** `GET /v1/report`: what the fleet did in a time, for people who decide. Iterations count where they ended, or run on. */
const figure = z.number().nullable();

export const reportTask = z.object({
  id: z.string(),
  title: z.string(),
  project: z.string(),
  phase: taskPhase,
  submittedAt: isoTime,
  endedAt: isoTime.nullable(),
  /** Of implementers that counted as an attempt; that ended and did not; reviewers'. */
  iterations: count,
  uncounted: count,
  reviews: count,
  rejections: count,
  /** In the time of the report; `seconds` is what agents worked. */
  spent,
  /** What is allowed for the whole task. */
  limit: z.object({ usd: figure, tokens: figure }),
  /** What it was handed in with as its budget, null where nobody said; and what its implementers have used by now, whenever. */
  predicted: z.object({ usd: figure, tokens: figure }),
  used: z.object({ usd: z.number(), tokens: z.number() }),
  /**
   * How long it waited for a person, and how often one decided (approved, rejected, answered), in the time of the report. How long
   * somebody read before deciding is not known to the fleet.
   */
  personSeconds: count,
  decisions: count,
});

export const reportView = z.object({
  since: isoTime,
  until: isoTime,
  tasks: z.array(reportTask),
  totals: z.object({
    tasks: count,
    merged: count,
    /** Waits for a person now. */
    waiting: count,
    failed: count,
    iterations: count,
    reviews: count,
    spent,
    /** Of the tasks that said so, and what those have used; null when none did. */
    predicted: z.object({ usd: figure, tokens: figure }),
    used: z.object({ usd: figure, tokens: figure }),
    personSeconds: count,
    decisions: count,
  }),
});
export type ReportTask = z.infer<typeof reportTask>;
export type ReportView = z.infer<typeof reportView>;

export const reportQuery = z.strictObject({ since: isoTime });
