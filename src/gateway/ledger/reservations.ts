import { z } from 'zod';
import type { Amounts } from '../../domain/budget.ts';
import type { Period } from '../../domain/budget-period.ts';
import type { Sql } from './sql.ts';
import { countsAt, type Who, whoColumns, whoSchema, whoValues } from './who.ts';

/** What a call may cost at worst, from before it leaves until it is settled. */
export interface Reservation {
  id: number;
  who: Who;
  /** When it began, in the books' time. */
  at: number;
  model: string;
  priceKnown: boolean;
  input: number;
  output: number;
  usd: number;
  /** The output that was asked for, where less was let go. */
  loweredFrom: number | null;
  heldMs: number;
}

/**
 * The open ones: in the books, and the same once more in memory, because each call asks for the sums at each of its levels. Only this
 * process writes them. What is written goes with the caller's transaction; `noted` and `dropped` follow once that is committed.
 */
export interface Reservations {
  insert(reservation: Reservation): void;
  noted(reservation: Reservation): void;
  find(id: number): Reservation | null;
  delete(id: number): void;
  dropped(id: number): void;
  /** Their sum at one level of the budget tree. */
  sum(node: string, period: Period): Amounts;
  ids(): number[];
}

const rowSchema = whoSchema.extend({
  id: z.number(),
  at: z.number(),
  model: z.string(),
  priceKnown: z.number().transform((it) => it === 1),
  input: z.number(),
  output: z.number(),
  usd: z.number(),
  loweredFrom: z.number().nullable(),
  heldMs: z.number(),
});

export function createReservations({ run, all }: Sql): Reservations {
  const open = new Map(readAll(all).map((one) => [one.id, one]));
  return {
    insert: ({ id, who, at, model, priceKnown, input, output, usd, loweredFrom, heldMs }) => {
      run(
        `INSERT INTO reservations (id, at, grant_id, project, task, ralph, iteration, role, model, price_known, input, output, usd,
           lowered_from, held_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        ...[id, at, ...whoValues(who), model, priceKnown ? 1 : 0, input, output, usd, loweredFrom, heldMs],
      );
    },
    noted: (one) => void open.set(one.id, one),
    find: (id) => open.get(id) ?? null,
    delete: (id) => void run('DELETE FROM reservations WHERE id = ?', id),
    dropped: (id) => void open.delete(id),
    sum: (node, { start, end }) => {
      const wanted = Object.entries(countsAt(node)) as [keyof Who, string][];
      const sum = { tokens: 0, usd: 0, calls: 0 };
      for (const { who, at, input, output, usd } of open.values()) {
        if (at < start || (end !== null && at >= end) || wanted.some(([column, value]) => who[column] !== value))
          continue;
        sum.tokens += input + output;
        sum.usd += usd;
        sum.calls += 1;
      }
      return sum;
    },
    ids: () => [...open.keys()].toSorted((a, b) => a - b),
  };
}

function readAll(all: Sql['all']): Reservation[] {
  const rows = all(
    `SELECT id, at, ${whoColumns}, model, price_known AS priceKnown, input, output, usd, lowered_from AS loweredFrom,
       held_ms AS heldMs FROM reservations`,
  );
  return rows.map((row) => {
    const { grant, project, task, ralph, iteration, role, ...rest } = rowSchema.parse(row);
    return { ...rest, who: { grant, project, task, ralph, iteration, role } };
  });
}
