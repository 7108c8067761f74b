import type { DatabaseSync } from 'node:sqlite';
import { FleetError } from '../lib/errors.ts';

/**
 * One entry per version, never edited once released. `settlements` can only grow; `calls` holds what is being forwarded right
 * now, so that a killed gateway finds at its next start what was spent and not settled.
 */
const amounts = `
  model TEXT NOT NULL, input INTEGER NOT NULL, cache_write INTEGER NOT NULL, cache_read INTEGER NOT NULL,
  output INTEGER NOT NULL, usd REAL NOT NULL, price_known INTEGER NOT NULL`;
const who =
  'grant_id TEXT NOT NULL, project TEXT NOT NULL, task TEXT NOT NULL, ralph TEXT NOT NULL, iteration TEXT NOT NULL';

const migrations: readonly string[] = [
  `CREATE TABLE grants (
     id TEXT PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE, vm TEXT NOT NULL, project TEXT NOT NULL, task TEXT NOT NULL,
     ralph TEXT NOT NULL, iteration TEXT NOT NULL, expires_at INTEGER NOT NULL) STRICT;
   CREATE TABLE limits (task TEXT PRIMARY KEY, max_tokens INTEGER, max_usd REAL) STRICT;
   CREATE TABLE tunnels (vm TEXT PRIMARY KEY, spec TEXT NOT NULL) STRICT;
   CREATE TABLE calls (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, ${who}, ${amounts}) STRICT;
   CREATE TABLE settlements (
     seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, ${who}, ${amounts},
     status INTEGER NOT NULL, refused TEXT, retry_at INTEGER) STRICT;
   CREATE TABLE spend (
     task TEXT PRIMARY KEY, tokens INTEGER NOT NULL, usd REAL NOT NULL, calls INTEGER NOT NULL) STRICT;
   CREATE TRIGGER settlements_stay BEFORE UPDATE ON settlements BEGIN SELECT RAISE(ABORT, 'append only'); END;
   CREATE TRIGGER settlements_remain BEFORE DELETE ON settlements BEGIN SELECT RAISE(ABORT, 'append only'); END;`,
  'ALTER TABLE limits ADD COLUMN max_calls INTEGER;',
];

export function migrate(db: DatabaseSync, path: string): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (version > migrations.length) {
    throw new FleetError(
      'newer_state',
      `\`${path}\` is of version ${version}; this gateway knows versions up to ${migrations.length}.`,
      { remedy: 'Use the newer ralph-fleet, or restore the copy made before its upgrade.', details: { version } },
    );
  }
  for (const [at, sql] of migrations.entries()) {
    if (at < version) continue;
    db.exec(`BEGIN IMMEDIATE; ${sql} PRAGMA user_version = ${at + 1}; COMMIT`);
  }
}
