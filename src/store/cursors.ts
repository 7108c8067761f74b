import type { Database } from './open.ts';

/** How far readers of the store's events have come, by the reader's name. */
export interface Cursors {
  get(name: string): number | null;
  /** Null: it begins anew. */
  set(name: string, seq: number | null): void;
}

export function createCursors(db: Database): Cursors {
  const get = db.prepare('SELECT seq FROM cursors WHERE name = ?');
  const put = db.prepare(
    'INSERT INTO cursors (name, seq) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq',
  );
  const remove = db.prepare('DELETE FROM cursors WHERE name = ?');
  return {
    get: (name) => {
      const seq = get.get(name)?.['seq'];
      return seq === undefined ? null : Number(seq);
    },
    set: (name, seq) => void (seq === null ? remove.run(name) : put.run(name, seq)),
  };
}
