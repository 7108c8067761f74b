import { closeSync, existsSync, fdatasync, openSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { FleetError } from '../../lib/errors.ts';
import { migrate, versionOf } from './schema.ts';

/**
 * The ledger's database, with each statement prepared once. A commit is with the kernel when it returns, and so survives the death
 * of this process; it is on the disk once a `sync` begun after it has ended. The disk takes milliseconds, in which this process
 * would carry no other call, so it is waited for aside (docs/decisions/0012).
 */
export interface Sql {
  run(sql: string, ...values: SQLInputValue[]): { changes: number };
  get(sql: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined;
  all(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[];
  /** All or nothing. */
  transaction<T>(work: () => T): T;
  /** Resolves when all that is committed now is on the disk. */
  sync(): Promise<void>;
  /** The same, but begun a little later, for all who ask until then. */
  syncSoon(): Promise<void>;
  /** Moves what is committed from the log into the database; takes as long as the disk does. */
  checkpoint(): void;
  close(): void;
}

/** Calls once, after so many milliseconds. */
export type After = (ms: number, call: () => void) => unknown;

const soonMs = 20;

export function openSql(path: string, after?: After): Sql {
  const db = open(path);
  const log = path === ':memory:' ? null : openSync(`${path}-wal`, 'r+');
  const sync = log === null ? async () => {} : createSync(log);
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
      return { changes: Number(prepare(sql).run(...values).changes) };
    },
    get: (sql, ...values) => prepare(sql).get(...values),
    all: (sql, ...values) => prepare(sql).all(...values),
    transaction: (work) => transaction(db, prepare, work),
    sync,
    syncSoon: after === undefined ? sync : createSoon(sync, after),
    checkpoint: () => db.exec('PRAGMA wal_checkpoint(PASSIVE)'),
    close: () => {
      if (!db.isOpen) return;
      // What the log still holds goes into the database, and that to the disk.
      db.exec('PRAGMA synchronous = FULL');
      db.close();
      if (log !== null) closeSync(log);
    },
  };
}

/** One sync at a time; who comes meanwhile waits for the next, all together. */
function createSync(file: number): () => Promise<void> {
  let current: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  const begin = (): Promise<void> => {
    next = null;
    current = new Promise<void>((resolve, reject) => {
      fdatasync(file, (error) => (error === null ? resolve() : reject(error)));
    }).finally(() => {
      current = null;
    });
    return current;
  };
  return () => {
    if (current === null) return begin();
    next ??= current.catch(() => {}).then(begin);
    return next;
  };
}

function createSoon(sync: () => Promise<void>, after: After): () => Promise<void> {
  let soon: Promise<void> | null = null;
  return () => {
    soon ??= new Promise<void>((resolve, reject) => {
      after(soonMs, () => {
        soon = null;
        sync().then(resolve, reject);
      });
    });
    return soon;
  };
}

/** Throws when this program cannot use these books; another process may have them open. */
export function checkBooks(path: string): void {
  if (!existsSync(path)) return;
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  try {
    versionOf(db, path);
  } finally {
    db.close();
  }
}

function open(path: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 5000 });
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
    migrate(db, path);
    // From here on the log is synced aside, and moved into the database when there is time for it.
    db.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; BEGIN IMMEDIATE; COMMIT');
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
