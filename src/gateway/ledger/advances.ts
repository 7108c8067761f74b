import { z } from 'zod';
import { type Amounts, budgetUnits } from '../../domain/budget.ts';
import type { Sql } from './sql.ts';
import { type Who, whoSchema } from './who.ts';

/**
 * A host that loses its power loses what was committed in its last moment. So that no call waits for the disk and yet none can be
 * forgotten, an iteration has an advance: an amount, on the disk beforehand, that its calls not yet on the disk stay within. When
 * the host went down, the advance is counted. It grows by doubling: an iteration waits for the disk a few times, not with each call.
 */
export interface Advances {
  /** After the reservation was committed: resolves when the call may leave. */
  take(who: Who, worst: Amounts): Promise<void>;
  end(grant: string): void;
  /** What the host's last moment may have swallowed; to be counted once, in the caller's transaction. */
  recover(): { who: Who; lost: Amounts }[];
}

interface Advance {
  /** As it is written. */
  amounts: Amounts;
  /** Until when what is written is not known to be on the disk; null when it is. */
  onItsWay: Promise<void> | null;
  /** Of its calls, what is not known to be on the disk. */
  pending: Amounts;
}

const none: Amounts = { tokens: 0, usd: 0, calls: 0 };
const rowSchema = whoSchema.extend({ tokens: z.number(), usd: z.number(), calls: z.number() });

export function createAdvances(sql: Sql, bootId: string): Advances {
  const advances = new Map<string, Advance>();

  function write(who: Who, { tokens, usd, calls }: Amounts): void {
    sql.run(
      `INSERT OR REPLACE INTO advances (grant_id, project, task, ralph, iteration, role, tokens, usd, calls, boot)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[who.grant, who.project, who.task, who.ralph, who.iteration, who.role, tokens, usd, calls, bootId],
    );
  }

  /** Who comes while it is on its way to the disk waits for it too. */
  function extend(who: Who, advance: Advance, { tokens, usd, calls }: Amounts): Promise<void> {
    const amounts = { tokens: Math.ceil(2 * tokens), usd: 2 * usd, calls: 2 * calls };
    write(who, amounts);
    const onItsWay = sql.sync();
    Object.assign(advance, { amounts, onItsWay });
    onItsWay.then(
      () => {
        if (advance.onItsWay === onItsWay) advance.onItsWay = null;
      },
      () => {
        // Nobody knows what is on the disk: the next one writes it again.
        if (advance.onItsWay === onItsWay) Object.assign(advance, { amounts: none, onItsWay: null });
      },
    );
    return onItsWay;
  }

  return {
    take: async (who, worst) => {
      const advance = advances.get(who.grant) ?? { amounts: none, onItsWay: null, pending: none };
      advances.set(who.grant, advance);
      const pending = sum(advance.pending, worst, 1);
      const onDisk = isWithin(pending, advance.amounts) ? sql.syncSoon() : extend(who, advance, pending);
      advance.pending = pending;
      onDisk.then(
        () => {
          advance.pending = sum(advance.pending, worst, -1);
        },
        () => {}, // it stays pending, so that one after it waits for the disk and meets the error
      );
      await advance.onItsWay;
    },
    end: (grant) => {
      advances.delete(grant);
      sql.run('DELETE FROM advances WHERE grant_id = ?', grant);
    },
    recover: () => {
      const columns = 'grant_id AS "grant", project, task, ralph, iteration, role, tokens, usd, calls';
      const rows = sql.all(`SELECT ${columns} FROM advances WHERE boot <> ? ORDER BY grant_id`, bootId);
      sql.run('DELETE FROM advances');
      return rows.map((row) => {
        const { tokens, usd, calls, ...who } = rowSchema.parse(row);
        return { who, lost: { tokens, usd, calls } };
      });
    },
  };
}

function isWithin(pending: Amounts, amounts: Amounts): boolean {
  return budgetUnits.every((unit) => pending[unit] <= amounts[unit]);
}

function sum(one: Amounts, other: Amounts, times: 1 | -1): Amounts {
  return {
    tokens: one.tokens + times * other.tokens,
    usd: one.usd + times * other.usd,
    calls: one.calls + times * other.calls,
  };
}
