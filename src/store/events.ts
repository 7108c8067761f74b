import type { FleetEvent } from '../domain/fleet.ts';
import type { Clock } from '../lib/clock.ts';
import type { Database } from './open.ts';

/** What happened, for people: append only, gap-free, readable from any point. */
export interface Events {
  add(kind: string, subject: string, text: string): void;
  after(seq: number, limit: number): FleetEvent[];
  last(): number;
  /** The newest `limit` events of a subject, oldest first. */
  of(subject: string, limit: number): FleetEvent[];
  /** Called after a transaction that added events has ended (also a rolled-back one: look, don't assume). */
  onChange(listener: () => void): () => void;
  announce(): void;
}

export function createEvents(db: Database, clock: Clock): Events {
  const insert = db.prepare('INSERT INTO events (at, kind, subject, text) VALUES (?, ?, ?, ?)');
  const after = db.prepare('SELECT seq, at, kind, subject, text FROM events WHERE seq > ? ORDER BY seq LIMIT ?');
  const of = db.prepare('SELECT seq, at, kind, subject, text FROM events WHERE subject = ? ORDER BY seq DESC LIMIT ?');
  const last = db.prepare('SELECT coalesce(max(seq), 0) AS seq FROM events');
  const listeners = new Set<() => void>();
  let dirty = false;
  return {
    add(kind, subject, text) {
      insert.run(clock.now(), kind, subject, text.slice(0, 2000));
      dirty = true;
      if (!db.isTransaction) this.announce();
    },
    after: (seq, limit) => after.all(seq, limit) as unknown as FleetEvent[],
    of: (subject, limit) => (of.all(subject, limit) as unknown as FleetEvent[]).reverse(),
    last: () => Number(last.get()?.['seq']),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    announce() {
      if (!dirty) return;
      dirty = false;
      for (const listener of listeners) listener();
    },
  };
}
