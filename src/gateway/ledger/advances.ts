import { z } from 'zod';
import type { Sql } from './sql.ts';
import { type Who, whoSchema } from './who.ts';

/**
 * A host that loses its power loses what was committed in its last moment. So that no call waits for the disk and yet none can be
 * forgotten, an iteration has an advance: an amount, on the disk beforehand, that its calls not yet on the disk stay within. When
 * the host went down, the advance is counted. It grows by doubling: an iteration waits for the disk a few times, not with each call.
 */
export interface Advances {
  /** After the reservation was committed: resolves when the call may leave. */
  take(who: Who, worst: { tokens: number; usd: number }): Promise<void>;
  end(grant: string): void;
  /** What the host's last moment may have swallowed; to be counted once. */
  recover(): { who: Who; tokens: number; usd: number }[];
}

interface Advance {
  tokens: number;
  usd: number;
  /** Of its calls, what is not known to be on the disk. */
  pending: { tokens: number; usd: number };
}

const rowSchema = whoSchema.extend({ tokens: z.number(), usd: z.number() });

export function createAdvances(sql: Sql, bootId: string): Advances {
  const advances = new Map<string, Advance>();

  function extend(who: Who, advance: Advance): void {
    advance.tokens = Math.ceil(2 * advance.pending.tokens);
    advance.usd = 2 * advance.pending.usd;
    sql.run(
      'INSERT OR REPLACE INTO advances VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ...[who.grant, who.project, who.task, who.ralph, who.iteration, who.role, advance.tokens, advance.usd, bootId],
    );
  }

  return {
    take: async (who, { tokens, usd }) => {
      const advance = advances.get(who.grant) ?? { tokens: 0, usd: 0, pending: { tokens: 0, usd: 0 } };
      advances.set(who.grant, advance);
      const { pending } = advance;
      pending.tokens += tokens;
      pending.usd += usd;
      const isWithin = pending.tokens <= advance.tokens && pending.usd <= advance.usd;
      if (!isWithin) extend(who, advance);
      const onDisk = (isWithin ? sql.syncSoon() : sql.sync()).then(() => {
        pending.tokens -= tokens;
        pending.usd -= usd;
      });
      if (!isWithin) await onDisk;
      else onDisk.catch(() => {}); // it stays pending, so that the next one waits for the disk and meets the error
    },
    end: (grant) => {
      advances.delete(grant);
      sql.run('DELETE FROM advances WHERE grant_id = ?', grant);
    },
    recover: () => {
      const columns = 'grant_id AS "grant", project, task, ralph, iteration, role, tokens, usd';
      const rows = sql.all(`SELECT ${columns} FROM advances WHERE boot <> ? ORDER BY grant_id`, bootId);
      sql.run('DELETE FROM advances');
      return rows.map((row) => {
        const { tokens, usd, ...who } = rowSchema.parse(row);
        return { who, tokens, usd };
      });
    },
  };
}
