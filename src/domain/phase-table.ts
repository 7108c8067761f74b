import { FleetError } from '../lib/errors.ts';

/** For each phase the phases that may follow it. One table per noun with a life; the diagram stands above the table. */
export type Transitions<P extends string> = Readonly<Record<P, readonly P[]>>;

export function canMove<P extends string>(table: Transitions<P>, from: P, to: P): boolean {
  return table[from].includes(to);
}

/** Refuses an illegal move with the noun, its id and both phases. */
export function assertMove<P extends string>(noun: string, id: string, table: Transitions<P>, from: P, to: P): void {
  if (canMove(table, from, to)) return;
  throw new FleetError('illegal_transition', `Cannot move ${noun} \`${id}\` from \`${from}\` to \`${to}\`.`, {
    details: { noun, id, from, to },
  });
}
