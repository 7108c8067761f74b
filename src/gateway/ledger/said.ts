import { z } from 'zod';
import { type Said, saidSchema } from '../../contract/gateway.ts';
import { maxSaidBytes } from '../../domain/signal.ts';
import type { Sql } from './sql.ts';

/**
 * What agents said through their tools, and what was seen to arrive at them: kept until the daemon has read it, and a while after.
 * An agent is told that it was heard only after `sync`.
 */
export interface SaidBook {
  /** Nothing is kept once the iteration's grant has ended, or beyond what one iteration may say. */
  say(grant: { id: string; iteration: string }, verb: string, given: unknown): 'kept' | 'too-much' | 'ended';
  refuseSaid(iteration: string): void;
  /** The first time counts. */
  noteArrived(iteration: string, what: 'prompt' | 'tools'): void;
  said(iteration: string): Said;
}

const keptMs = 30 * 86_400_000;

const callSchema = z.object({ at: z.number(), verb: z.string(), given: z.string() });

export function createSaid({ run, get, all }: Sql, now: () => number): SaidBook {
  const old = now() - keptMs;
  run('DELETE FROM said WHERE at < ?', old);
  run('DELETE FROM arrived WHERE at < ?', old);

  function arrivedRow(iteration: string): void {
    run('INSERT OR IGNORE INTO arrived (iteration, at) VALUES (?, ?)', iteration, now());
  }

  return {
    say: ({ id, iteration }, verb, given) => {
      const at = now();
      const open = get('SELECT 1 FROM grants WHERE id = ? AND expires_at > ?', id, at);
      if (open === undefined) return 'ended';
      const text = JSON.stringify(given);
      const sum = get(
        'SELECT coalesce(sum(length(CAST(given AS BLOB))), 0) AS bytes FROM said WHERE iteration = ?',
        iteration,
      );
      if (Number(sum?.['bytes']) + Buffer.byteLength(text) > maxSaidBytes) return 'too-much';
      run('INSERT INTO said (iteration, at, verb, given) VALUES (?, ?, ?, ?)', iteration, at, verb, text);
      return 'kept';
    },
    refuseSaid: (iteration) => {
      arrivedRow(iteration);
      run('UPDATE arrived SET refused = refused + 1 WHERE iteration = ?', iteration);
    },
    noteArrived: (iteration, what) => {
      arrivedRow(iteration);
      run(`UPDATE arrived SET ${what} = coalesce(${what}, ?) WHERE iteration = ?`, now(), iteration);
    },
    said: (iteration) => {
      const rows = all('SELECT at, verb, given FROM said WHERE iteration = ? ORDER BY seq', iteration);
      const seen = get('SELECT prompt, tools, refused FROM arrived WHERE iteration = ?', iteration);
      return saidSchema.parse({
        calls: rows.map((row) => {
          const { at, verb, given } = callSchema.parse(row);
          return { at, verb, given: JSON.parse(given) };
        }),
        refused: seen?.['refused'] ?? 0,
        arrived: { prompt: seen?.['prompt'] ?? null, tools: seen?.['tools'] ?? null },
      });
    },
  };
}
