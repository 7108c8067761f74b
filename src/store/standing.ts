import type { SQLInputValue } from 'node:sqlite';
import { type Columns, encode } from './codec.ts';

/**
 * The rows of a table that meet a condition, kept in memory and up to date by the table's own writes: a look at what is alive
 * reads nothing, and what has ended is not held. SQL and memory are told of one condition, so that both find the same rows.
 */
export interface Standing<T> {
  /** Oldest row first; the same array until a row in it changes. */
  rows(): readonly T[];
  has(id: string | number): boolean;
  /** Calls when a row may have come or gone. */
  onMembers(listener: () => void): void;
}

/** Which rows: those that meet one of these alternatives, each with all of its columns; an empty one takes every row. */
export type Condition<T> = readonly { readonly [K in keyof T]?: Wanted<T[K]> }[];
export type Wanted<V> =
  | { readonly in: readonly V[] }
  | { readonly notIn: readonly V[] }
  /** The `id` of a row in another table's standing list. */
  | { readonly of: Standing<{ id: V }> };

/** What a table tells its standing lists. */
export interface Told<T> {
  /** A row was written; `isNew`: it was not there before. */
  wrote(row: T, isNew: boolean): void;
  removed(id: string | number): void;
  /** Rows are no longer what they were: they are read again. */
  forget(): void;
}

interface Source<T> {
  columns: Columns<T>;
  id: keyof T & string;
  read: (where: string, values: SQLInputValue[]) => T[];
}

type Test<T> = readonly (readonly [keyof T & string, Wanted<unknown>])[];

export function createStanding<T extends object>(source: Source<T>, condition: Condition<T>): Standing<T> & Told<T> {
  const { columns, id } = source;
  const tests = condition.map((alternative) => Object.entries(alternative) as [keyof T & string, Wanted<unknown>][]);
  const listeners: (() => void)[] = [];
  let known: Map<unknown, T> | null = null;
  let list: readonly T[] | null = null;
  for (const [, wanted] of tests.flat()) if ('of' in wanted) wanted.of.onMembers(forget);

  function forget(): void {
    if (known === null) return;
    known = null;
    membersChanged();
  }

  function membersChanged(): void {
    list = null;
    for (const listener of listeners) listener();
  }

  function read(): Map<unknown, T> {
    const { where, values } = toSql(columns, tests);
    return new Map(source.read(`${where} ORDER BY rowid`, values).map((row) => [row[id], row]));
  }

  return {
    rows() {
      known ??= read();
      list ??= [...known.values()];
      return list;
    },
    has(wanted) {
      known ??= read();
      return known.has(wanted);
    },
    onMembers: (listener) => void listeners.push(listener),
    wrote(row, isNew) {
      if (known === null) return;
      const was = known.has(row[id]);
      const is = tests.some((test) => test.every(([column, wanted]) => isWanted(wanted, row[column])));
      // One that comes back has its place among the others: where, only the table knows.
      if (is && !was && !isNew) {
        forget();
        return;
      }
      if (is) known.set(row[id], row);
      else known.delete(row[id]);
      if (is !== was) membersChanged();
      else if (is) list = null;
    },
    removed(gone) {
      if (known?.delete(gone)) membersChanged();
    },
    forget,
  };
}

function isWanted(wanted: Wanted<unknown>, value: unknown): boolean {
  if ('in' in wanted) return wanted.in.includes(value);
  if ('notIn' in wanted) return !wanted.notIn.includes(value);
  return wanted.of.has(value as string | number);
}

function toSql<T>(columns: Columns<T>, tests: readonly Test<T>[]): { where: string; values: SQLInputValue[] } {
  const values: SQLInputValue[] = [];
  const alternatives = tests.map((test) =>
    test.map(([column, wanted]) => {
      const among = 'of' in wanted ? wanted.of.rows().map((row) => row.id) : 'in' in wanted ? wanted.in : wanted.notIn;
      values.push(JSON.stringify(among.map((value) => encode(columns[column], value))));
      return `"${column}" ${'notIn' in wanted ? 'NOT ' : ''}IN (SELECT value FROM json_each(?))`;
    }),
  );
  const all = alternatives.map((each) => (each.length === 0 ? 'TRUE' : `(${each.join(' AND ')})`));
  return { where: `WHERE ${all.join(' OR ')}`, values };
}
