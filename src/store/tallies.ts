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

interface Kept {
  row: number | bigint;
  tally: { -readonly [K in keyof Tally]: Tally[K] };
}

export function createTallies(db: Database): Tallies {
  const read = db.prepare('SELECT rowid AS row, name, labels, value FROM tallies');
  const begin = db.prepare('INSERT INTO tallies (name, labels, value) VALUES (?, ?, ?)');
  // By its number: to find it by name and labels takes several times as long.
  const raise = db.prepare('UPDATE tallies SET value = value + ? WHERE rowid = ?');
  let known: Map<string, Kept> | null = null;
  /** The same by labels in the order they are given in. */
  const asked = new Map<string, Kept>();

  function load(): Map<string, Kept> {
    known ??= new Map(
      read.all().map((found) => {
        const { row, name, labels, value } = found as { row: number; name: string; labels: string; value: number };
        return [`${name} ${labels}`, { row, tally: { name, labels: JSON.parse(labels), value } }];
      }),
    );
    return known;
  }

  function find(name: string, labels: Tally['labels']): Kept {
    const sorted = Object.fromEntries(Object.entries(labels).toSorted(([one], [other]) => (one < other ? -1 : 1)));
    const text = JSON.stringify(sorted);
    const before = load().get(`${name} ${text}`);
    if (before !== undefined) return before;
    const row = begin.run(name, text, 0).lastInsertRowid;
    const made = { row, tally: { name, labels: sorted, value: 0 } };
    load().set(`${name} ${text}`, made);
    return made;
  }

  return {
    add(name, labels, by) {
      let key = name;
      for (const label in labels) key += `\n${label}=${labels[label]}`;
      let kept = asked.get(key);
      if (kept === undefined) {
        kept = find(name, labels);
        asked.set(key, kept);
      }
      raise.run(by, kept.row);
      kept.tally.value += by;
    },
    all: () => [...load().values()].map(({ tally }) => ({ ...tally })),
    forget() {
      known = null;
      asked.clear();
    },
  };
}
