import { z } from 'zod';
import type { Sql } from './sql.ts';

/** What is kept of usage windows, so that a limit outlives this process; and what it is known by. */
export interface LimitRows {
  list(): WindowRow[];
  put(row: WindowRow): void;
  drop(row: Pick<WindowRow, 'credential' | 'window'>): void;
  dropUntil(time: number): void;
  /** Made once in a ledger's life, of `random`: what is hashed with it says nothing of a credential to who has only the hash. */
  salt(random: () => string): Buffer;
  keepFree(): number;
  setKeepFree(share: number): void;
}

const rowSchema = z.object({
  /** `PROVIDER:FINGERPRINT`. */
  credential: z.string(),
  window: z.string(),
  usedRatio: z.number().nullable(),
  isReached: z.number().transform((it) => it === 1),
  since: z.number(),
  until: z.number(),
});
export type WindowRow = z.output<typeof rowSchema>;

export function createLimitRows({ run, get, all }: Sql): LimitRows {
  const setting = (name: string) => get('SELECT value FROM settings WHERE name = ?', name)?.['value'];
  const set = (name: string, value: string) => run('INSERT OR REPLACE INTO settings VALUES (?, ?)', name, value);
  return {
    list: () =>
      all('SELECT credential, "window", used AS usedRatio, reached AS isReached, since, until FROM windows').map(
        (row) => rowSchema.parse(row),
      ),
    put: ({ credential, window, usedRatio, isReached, since, until }) =>
      void run(
        'INSERT OR REPLACE INTO windows VALUES (?, ?, ?, ?, ?, ?)',
        ...[credential, window, usedRatio, isReached ? 1 : 0, since, until],
      ),
    drop: ({ credential, window }) =>
      void run('DELETE FROM windows WHERE credential = ? AND "window" = ?', credential, window),
    dropUntil: (time) => void run('DELETE FROM windows WHERE until <= ?', time),
    salt: (random) => {
      if (setting('salt') === undefined) set('salt', random());
      return Buffer.from(String(setting('salt')), 'hex');
    },
    keepFree: () => Number(setting('keep-free') ?? 0),
    setKeepFree: (share) => void set('keep-free', String(share)),
  };
}
