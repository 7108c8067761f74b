import type { Database } from './open.ts';

/** Totals since the store was made: they only grow, over restarts too, and move in the transaction of what they count. */
export interface Tallies {
  /** `labels`: never ids of what there is no end of. */
  add(name: string, labels: Readonly<Record<string, string>>, by: number): void;
  all(): readonly Tally[];
  /** A transaction was taken back. */
  forget(): void;
}

export interface Tally {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

export function createTallies(db: Database): Tallies {
  const read = db.prepare('SELECT name, labels, value FROM tallies');
  const write = db.prepare(
    `INSERT INTO tallies (name, labels, value) VALUES (?, ?, ?)
     ON CONFLICT (name, labels) DO UPDATE SET value = value + excluded.value`,
  );
  let known: Map<string, Tally> | null = null;

  function load(): Map<string, Tally> {
    known ??= new Map(
      read.all().map((row) => {
        const { name, labels, value } = row as { name: string; labels: string; value: number };
        return [`${name} ${labels}`, { name, labels: JSON.parse(labels), value }];
      }),
    );
    return known;
  }

  return {
    add(name, labels, by) {
      const sorted = Object.fromEntries(Object.entries(labels).toSorted(([one], [other]) => (one < other ? -1 : 1)));
      const text = JSON.stringify(sorted);
      const all = load();
      write.run(name, text, by);
      const before = all.get(`${name} ${text}`);
      all.set(`${name} ${text}`, { name, labels: sorted, value: (before?.value ?? 0) + by });
    },
    all: () => [...load().values()],
    forget() {
      known = null;
    },
  };
}
