import type { SQLInputValue, StatementSync } from 'node:sqlite';
import { FleetError } from '../lib/errors.ts';
import { type Columns, decode, encode } from './codec.ts';
import type { Database } from './open.ts';
import { type Condition, createStanding, type Standing, type Told } from './standing.ts';

/**
 * One noun's rows. Every column is typed. What was read or written is remembered until it is written again: rows are shared, so
 * nobody may change one in place. The table's SQL itself stands in migrations.ts; a test holds both against each other.
 */
export interface Table<T extends object> {
  insert(row: T): void;
  get(id: string | number): T | null;
  /** Refuses an unknown id with `not_found`. */
  mustGet(id: string | number): T;
  update(id: string | number, changes: Partial<T>): void;
  remove(id: string | number): void;
  /** `where` is SQL of ours about this table alone, with `?` marks, never data. */
  list(where?: string, ...values: SQLInputValue[]): T[];
  /** For what is looked at again and again; it is kept up to date for as long as the table lives. */
  standing(condition: Condition<T>): Standing<T>;
  /** Calls within each write of a row, with what it was before; null: it was not there. */
  onWrite(listener: (row: T, before: T | null) => void): void;
  /** Moves with every change: what was read at the same version is still true. */
  version(): number;
  /** Says that rows were changed, or a change was taken back, outside this table's own calls. */
  touch(): void;
}

const maxRemembered = 500;

export function createTable<T extends object>(
  db: Database,
  name: string,
  columns: Columns<T>,
  id: keyof T & string,
): Table<T> {
  const names = Object.keys(columns) as (keyof T & string)[];
  // What grows key by key past about twenty keys V8 makes a slow hash table, unless it knows the shape from an object that lives.
  const shape = Object.fromEntries(names.map((column) => [column, null]));
  const updates = createUpdates<T>(db, name, shape, id);
  const insertion = db.prepare(
    `INSERT INTO ${name} (${names.map(quoted).join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
  );
  const one = db.prepare(`SELECT ${names.map(quoted).join(', ')} FROM ${name} WHERE ${quoted(id)} = ?`);
  const standings: Told<T>[] = [];
  const listeners: ((row: T, before: T | null) => void)[] = [];
  const rows = new Map<string | number, T>();
  const found = new Map<string, { version: number; rows: T[] }>();
  let version = 0;

  function remember(key: string | number, row: T): void {
    if (rows.size > maxRemembered) rows.clear();
    if (found.size > maxRemembered) found.clear();
    rows.set(key, row);
  }

  function wrote(key: string | number, row: T, before: T | null): void {
    version++;
    remember(key, row);
    for (const standing of standings) standing.wrote(row, before === null);
    for (const listener of listeners) listener(row, before);
  }

  function get(key: string | number): T | null {
    const known = rows.get(key);
    if (known !== undefined) return known;
    const stored = one.get(key);
    if (stored === undefined) return null;
    const row: Record<string, unknown> = {};
    for (const column of names) row[column] = decode(columns[column], stored[column]);
    remember(key, row as T);
    return row as T;
  }

  function mustGet(key: string | number): T {
    const row = get(key);
    if (row === null) throw new FleetError('not_found', `There is no ${name.replace(/s$/, '')} \`${key}\`.`);
    return row;
  }

  function select(where: string, values: SQLInputValue[]): T[] {
    // Only the ids: most rows are known already, and building rows costs more than finding them.
    const statement = db.prepare(`SELECT ${quoted(id)} FROM ${name} ${where}`);
    statement.setReturnArrays(true);
    return (statement.all(...values) as unknown as [string | number][]).map(([key]) => mustGet(key));
  }

  return {
    insert(given) {
      const values: SQLInputValue[] = [];
      const row: Record<string, unknown> = {};
      for (const column of names) {
        const value = encode(columns[column], given[column]);
        values.push(value);
        row[column] = decode(columns[column], value);
      }
      insertion.run(...values);
      wrote(given[id] as string | number, row as T, null);
    },
    get,
    mustGet,
    update(key, changes) {
      const given = Object.keys(changes);
      if (given.length === 0) return;
      const { statement, changed } = updates(given);
      const before = mustGet(key);
      const values: SQLInputValue[] = [];
      // Copied by hand: to spread a row takes several times as long.
      const row: Record<string, unknown> = {};
      for (const column of names) row[column] = before[column];
      for (const column of changed) {
        const value = encode(columns[column], changes[column]);
        values.push(value);
        row[column] = decode(columns[column], value);
      }
      statement.run(...values, key);
      wrote(key, row as T, before);
    },
    remove(key) {
      db.prepare(`DELETE FROM ${name} WHERE ${quoted(id)} = ?`).run(key);
      version++;
      rows.delete(key);
      for (const standing of standings) standing.removed(key);
    },
    list(where = '', ...values) {
      const asked = values.length === 0 ? where : JSON.stringify([where, values]);
      const before = found.get(asked);
      if (before?.version === version) return [...before.rows];
      const now = select(where, values);
      found.set(asked, { version, rows: now });
      return [...now];
    },
    standing(condition) {
      const made = createStanding<T>({ columns, id, read: select }, condition);
      standings.push(made);
      return made;
    },
    onWrite: (listener) => void listeners.push(listener),
    version: () => version,
    touch() {
      version++;
      rows.clear();
      for (const standing of standings) standing.forget();
    },
  };
}

interface Update<T> {
  statement: StatementSync;
  changed: readonly (keyof T & string)[];
}

/** Statements by the names of the columns they set: those of one place in the code come again and again. */
function createUpdates<T extends object>(
  db: Database,
  name: string,
  shape: object,
  id: keyof T & string,
): (given: readonly string[]) => Update<T> {
  const known = new Map<string, Update<T>>();
  const isColumn = (column: string): column is keyof T & string => column in shape;
  return (given) => {
    const asked = given.join();
    const before = known.get(asked);
    if (before !== undefined) return before;
    const changed = given.filter(isColumn);
    const set = changed.map((column) => `${quoted(column)} = ?`).join(', ');
    const made = { statement: db.prepare(`UPDATE ${name} SET ${set} WHERE ${quoted(id)} = ?`), changed };
    known.set(asked, made);
    return made;
  };
}

function quoted(column: string): string {
  return `"${column}"`;
}
