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
  /** Of implementers that counted as an attempt; those that did not; reviewers'. */
  iterations: count,
  uncounted: count,
  reviews: count,
  rejections: count,
  /** In the time of the report; `seconds` is what agents worked. */
  spent,
  /** What was allowed for the whole task. */
  limit: z.object({ usd: figure, tokens: figure }),
  /** How long it waited for a person, in the time of the report. */
  personSeconds: count,
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
    personSeconds: count,
  }),
});
export type ReportTask = z.infer<typeof reportTask>;
export type ReportView = z.infer<typeof reportView>;

export const reportQuery = z.strictObject({ since: isoTime });
