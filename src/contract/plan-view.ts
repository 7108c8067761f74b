import { z } from 'zod';
import { isoTime, shownState, taskPhase } from './common.ts';

/** `GET /v1/plan`: what the next pass would do, and what it leaves waiting with the reason. Straight from the planner. */
export const planView = z.object({
  asOf: isoTime,
  steps: z.array(z.object({ kind: z.string(), subject: z.string(), reason: z.string() })),
  waits: z.array(z.object({ subject: z.string(), since: isoTime, waitsFor: z.string() })),
});
export type PlanView = z.infer<typeof planView>;

/** `GET /v1/tasks/:id/why`: why it does not move and what would move it. */
export const whyView = z.object({
  task: z.string(),
  title: z.string(),
  phase: taskPhase,
  state: shownState,
  since: isoTime,
  waitsFor: z.string().nullable(),
  whatWouldMoveIt: z.string().nullable(),
  /** A command to copy, where one would move it. */
  command: z.string().nullable(),
});
export type WhyView = z.infer<typeof whyView>;
