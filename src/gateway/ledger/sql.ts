import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { FleetError } from '../../lib/errors.ts';
import { migrate } from './schema.ts';

/** The ledger's database, with each statement prepared once. */
export interface Sql {
  run(sql: string, ...values: SQLInputValue[]): { lastInsertRowid: number; changes: number };
  get(sql: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined;
  all(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[];
  /** All or nothing. */
  transaction<T>(work: () => T): T;
  close(): void;
}

export function openSql(path: string): Sql {
  const db = open(path);
  const statements = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    const made = db.prepare(sql);
    statements.set(sql, made);
    return made;
  };
  return {
    run: (sql, ...values) => {
      const { lastInsertRowid, changes } = prepare(sql).run(...values);
      return { lastInsertRowid: Number(lastInsertRowid), changes: Number(changes) };
    },
    get: (sql, ...values) => prepare(sql).get(...values),
    all: (sql, ...values) => prepare(sql).all(...values),
    transaction: (work) => transaction(db, prepare, work),
    close: () => {
      if (db.isOpen) db.close();
    },
  };
}

function open(path: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 5000 });
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
    migrate(db, path);
    return db;
  } catch (cause) {
    db?.close();
    if (cause instanceof FleetError) throw cause;
    throw new FleetError('storage', `Cannot open the ledger \`${path}\`.`, { cause });
  }
}

function transaction<T>(db: DatabaseSync, prepare: (sql: string) => StatementSync, work: () => T): T {
  prepare('BEGIN IMMEDIATE').run();
  try {
    const result = work();
    prepare('COMMIT').run();
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
