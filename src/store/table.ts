import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { FleetError } from '../lib/errors.ts';

/**
 * One noun's rows. Every column is typed: `json` columns hold nested values as text, `bool` as 0 or 1. Statements are
 * prepared once. The table's SQL itself stands in migrations.ts; a test holds both against each other.
 */
export type ColumnKind = 'text' | 'int' | 'real' | 'json' | 'bool';
export type Columns<T> = { readonly [K in keyof T]-?: ColumnKind };

export interface Table<T extends object> {
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

export function createTable<T extends object>(
  db: DatabaseSync,
  name: string,
  columns: Columns<T>,
  id: keyof T & string,
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
  const fromRow = (row: Record<string, unknown>): T => {
    const out: Record<string, unknown> = {};
    for (const column of names) out[column] = decode(columns[column], row[column]);
    return out as T;
  };
  const get = (key: string | number): T | null => {
    const row = prepare(getSql).get(key);
    return row ? fromRow(row) : null;
  };
  return {
    insert(row) {
      version++;
      prepare(insertSql).run(...names.map((column) => encode(columns[column], row[column])));
    },
    get,
    mustGet(key) {
      const row = get(key);
      if (row === null) throw new FleetError('not_found', `There is no ${name.replace(/s$/, '')} \`${key}\`.`);
      return row;
    },
    update(key, changes) {
      version++;
      const changed = names.filter((column) => column in changes);
      if (changed.length === 0) return;
      const sql = `UPDATE ${name} SET ${changed.map((c) => `"${c}" = ?`).join(', ')} WHERE "${id}" = ?`;
      const values = changed.map((column) => encode(columns[column], changes[column]));
      const done = prepare(sql).run(...values, key);
      if (done.changes === 0) throw new FleetError('not_found', `There is no ${name.replace(/s$/, '')} \`${key}\`.`);
    },
    list(where = '', ...values) {
      const known = lists.get(where) ?? db.prepare(`${select} ${where}`);
      lists.set(where, known);
      return known.all(...values).map(fromRow);
    },
    version: () => version,
    touch: () => {
      version++;
    },
  };
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
