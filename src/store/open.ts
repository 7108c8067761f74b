import { chmodSync, existsSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { FleetError } from '../lib/errors.ts';
import { migrations } from './migrations.ts';

/** SQLite in which every statement is prepared once: preparing costs more than running most of them. */
export class Database extends DatabaseSync {
  readonly #prepared = new Map<string, StatementSync>();

  override prepare(sql: string): StatementSync {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const made = super.prepare(sql);
    this.#prepared.set(sql, made);
    return made;
  }
}

/**
 * Opens the daemon's database: WAL, foreign keys, one writer. An older schema is copied aside (`fleet.db.v<N>.bak`) and
 * migrated; a newer one is refused with the way back; a folder that cannot be written is named.
 * Errors: `newer_state`, `storage`.
 */
export function openDatabase(path: string, versions: readonly string[] = migrations): Database {
  const isNew = path === ':memory:' || !existsSync(path);
  try {
    const db = new Database(path);
    db.exec('PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON;');
    if (path !== ':memory:') {
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
      if (isNew) chmodSync(path, 0o600);
    }
    migrate(db, { path, isNew, versions });
    return db;
  } catch (error) {
    if (error instanceof FleetError) throw error;
    throw new FleetError(
      'storage',
      `Cannot open the store \`${path}\`: ${error instanceof Error ? error.message : String(error)}.`,
      {
        remedy:
          'Check that the folder exists, is yours, is writable, and that the disk is not full (ralph-fleet doctor).',
        cause: error,
      },
    );
  }
}

interface Opened {
  path: string;
  isNew: boolean;
  versions: readonly string[];
}

function migrate(db: Database, { path, isNew, versions }: Opened): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (version > versions.length) {
    throw new FleetError(
      'newer_state',
      `The store \`${path}\` has version ${version}; this ralph-fleet knows versions up to ${versions.length}.`,
      {
        remedy: `Install the newer ralph-fleet again, or restore the copy made before the upgrade: \`${path}.v${versions.length}.bak\`.`,
        details: { found: version, known: versions.length },
      },
    );
  }
  if (version === versions.length) return;
  if (!isNew && version > 0) db.prepare('VACUUM INTO ?').run(`${path}.v${version}.bak`);
  for (let at = version; at < versions.length; at++) {
    db.exec('BEGIN IMMEDIATE');
    try {
      db.exec(versions[at] ?? '');
      db.exec(`PRAGMA user_version = ${at + 1}`);
      db.exec('COMMIT');
    } catch (error) {
      db.exec('ROLLBACK');
      throw error;
    }
  }
}
