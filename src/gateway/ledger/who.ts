import type { SQLInputValue } from 'node:sqlite';
import type { z } from 'zod';
import { settlementSchema } from '../../contract/gateway.ts';
import { parseNode } from '../../domain/budget.ts';

/** Whose call it is. */
export const whoSchema = settlementSchema.pick({
  ...{ grant: true, project: true, task: true },
  ...{ ralph: true, iteration: true, role: true },
});
export type Who = z.infer<typeof whoSchema>;

/** The same in a row of the books. */
export const whoColumns = 'grant_id AS "grant", project, task, ralph, iteration, role';

export function whoValues(who: Who): SQLInputValue[] {
  return [who.grant, who.project, who.task, who.ralph, who.iteration, who.role];
}

/** Whose calls count at a level of the budget tree: those with these values, in columns of the same names. */
export function countsAt(node: string): Partial<Record<'project' | 'task' | 'ralph' | 'role', string>> {
  const { kind, name } = parseNode(node);
  if (kind === 'project') return { project: name };
  if (kind === 'task') return { task: name, role: 'implementer' };
  if (kind === 'review') return { task: name, role: 'reviewer' };
  if (kind === 'ralph') return { ralph: name };
  return {};
}
