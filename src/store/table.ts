import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { FleetError } from '../lib/errors.ts';

/**
 * One noun's rows. Every column is typed: `json` columns hold nested values as text, `bool` as 0 or 1. Statements are
 * prepared once, and what was read is remembered until it is written again: rows are shared, so nobody may change one in place.
 * The table's SQL itself stands in migrations.ts; a test holds both against each other.
 */
export type ColumnKind = 'text' | 'int' | 'real' | 'json' | 'bool';
export type Columns<T> = { readonly [K in keyof T]-?: ColumnKind };

export interface Table<T extends object> {
  readonly name: string;
  insert(row: T): void;
  get(id: string | number): T | null;
  /** Refuses an unknown id with `not_found`. */
  mustGet(id: string | number): T;
  update(id: string | number, changes: Partial<T>): void;
  /** `where` is SQL of ours with `?` marks, never data. */
  list(where?: string, ...values: SQLInputValue[]): T[];
  /** Moves with every change: what was read at the same version is still true. */
  version(): number;
  /** Says that rows were changed, or a change was taken back, outside this table's own calls. */
  touch(): void;
}

/** Counts the writes to all tables of a store: what a list found (which may look into other tables) holds until the next. */
export interface Writes {
  count: number;
}

const maxRemembered = 500;

export function createTable<T extends object>(
  db: DatabaseSync,
  name: string,
  columns: Columns<T>,
  { id, writes }: { id: keyof T & string; writes: Writes },
): Table<T> {
  const names = Object.keys(columns) as (keyof T & string)[];
  const quoted = names.map((n) => `"${n}"`);
  const statements = new Map<string, StatementSync>();
  const lists = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    const known = statements.get(sql);
    if (known) return known;
    const made = db.prepare(sql);
    statements.set(sql, made);
    return made;
  };
  const insertSql = `INSERT INTO ${name} (${quoted.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`;
  const select = `SELECT ${quoted.join(', ')} FROM ${name}`;
  const getSql = `${select} WHERE "${id}" = ?`;
  let version = 0;
  const rows = new Map<string | number, T>();
  const found = new Map<string, { writes: number; rows: T[] }>();
  const wrote = (key?: string | number): void => {
    version++;
    writes.count++;
    if (key === undefined || rows.size > maxRemembered) rows.clear();
    else rows.delete(key);
    if (found.size > maxRemembered) found.clear();
  };
  const fromRow = (row: Record<string, unknown>): T => {
    const out: Record<string, unknown> = {};
    for (const column of names) out[column] = decode(columns[column], row[column]);
    return out as T;
  };
  const get = (key: string | number): T | null => {
    const known = rows.get(key);
    if (known !== undefined) return known;
    const row = prepare(getSql).get(key);
    if (!row) return null;
    const made = fromRow(row);
    rows.set(key, made);
    return made;
  };
  const mustGet = (key: string | number): T => {
    const row = get(key);
    if (row === null) throw new FleetError('not_found', `There is no ${name.replace(/s$/, '')} \`${key}\`.`);
    return row;
  };
  return {
    name,
    insert(row) {
      wrote(row[id] as string | number);
      prepare(insertSql).run(...names.map((column) => encode(columns[column], row[column])));
    },
    get,
    mustGet,
    update(key, changes) {
      const changed = names.filter((column) => column in changes);
      if (changed.length === 0) return;
      const sql = `UPDATE ${name} SET ${changed.map((c) => `"${c}" = ?`).join(', ')} WHERE "${id}" = ?`;
      const known = rows.get(key);
      wrote(key);
      const values = changed.map((column) => encode(columns[column], changes[column]));
      const done = prepare(sql).run(...values, key);
      if (done.changes === 0) throw new FleetError('not_found', `There is no ${name.replace(/s$/, '')} \`${key}\`.`);
      if (known !== undefined) rows.set(key, { ...known, ...kept(changes, changed) });
    },
    list(where = '', ...values) {
      const asked = values.length === 0 ? where : JSON.stringify([where, values]);
      const before = found.get(asked);
      if (before?.writes === writes.count) return [...before.rows];
      // Only the ids: most rows are known already, and building rows costs more than finding them.
      const statement = lists.get(where) ?? db.prepare(`SELECT "${id}" FROM ${name} ${where}`);
      lists.set(where, statement);
      statement.setReturnArrays(true);
      const now = (statement.all(...values) as unknown as [string | number][]).map(([key]) => mustGet(key));
      found.set(asked, { writes: writes.count, rows: now });
      return [...now];
    },
    version: () => version,
    touch: () => wrote(),
  };
}

/** The changes as they will be read again. */
function kept<T extends object>(changes: Partial<T>, changed: (keyof T & string)[]): Partial<T> {
  const out: Record<string, unknown> = {};
  for (const column of changed) out[column] = changes[column] ?? null;
  return out as Partial<T>;
}

function encode(kind: ColumnKind, value: unknown): SQLInputValue {
  if (kind === 'json') return JSON.stringify(value ?? null);
  if (value === null || value === undefined) return null;
  if (kind === 'bool') return value ? 1 : 0;
  return value as SQLInputValue;
}

function decode(kind: ColumnKind, value: unknown): unknown {
  if (kind === 'json') return value === null || value === undefined ? null : JSON.parse(String(value));
  if (kind === 'bool') return value === 1;
  return value ?? null;
}
