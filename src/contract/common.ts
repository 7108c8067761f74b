import { z } from 'zod';
import { shownStates } from '../domain/states.ts';
import { taskPhases } from '../domain/task.ts';
import { taskPriorities } from '../domain/task-draft.ts';

/** ISO 8601 in UTC with milliseconds, as `Date.toISOString` writes it. */
export const isoTime = z.iso.datetime();
export const commitHash = z.string().regex(/^[0-9a-f]{40}$/, 'a commit is 40 hexadecimal digits');
export const count = z.number().int().nonnegative();
export const taskPhase = z.enum(taskPhases);
export const shownState = z.enum(shownStates);
export const priority = z.enum(taskPriorities);
export const role = z.enum(['implementer', 'reviewer']);

export const spent = z.object({
  tokens: count,
  usd: z.number().nonnegative(),
  calls: count,
  seconds: count,
  /** What of the dollars is imputed (price times tokens), since a subscription covers it. */
  imputedUsd: z.number().nonnegative().optional(),
});
export type Spent = z.infer<typeof spent>;

/** Every list answers with this; `next` is null when nothing is left out. */
export function listOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}

/** Answer of an action: what was done, for people, and what it now stands at. `changed` is false when it was so already. */
export const done = z.object({ message: z.string(), changed: z.boolean(), task: z.string().nullable() });
export type Done = z.infer<typeof done>;
