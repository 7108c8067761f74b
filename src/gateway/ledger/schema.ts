import type { DatabaseSync } from 'node:sqlite';
import { FleetError } from '../../lib/errors.ts';

/**
 * One entry per version, never edited once released. `settlements` can only grow; `reservations` holds what is being forwarded
 * right now, so that a killed gateway finds at its next start what may have been spent and was not settled. `periods` is a
 * cache: sums of settlements for the present period of a level, made again when it is missing.
 */
const amounts = `
  model TEXT NOT NULL, input INTEGER NOT NULL, cache_write INTEGER NOT NULL, cache_read INTEGER NOT NULL,
  output INTEGER NOT NULL, usd REAL NOT NULL, price_known INTEGER NOT NULL`;
const who =
  'grant_id TEXT NOT NULL, project TEXT NOT NULL, task TEXT NOT NULL, ralph TEXT NOT NULL, iteration TEXT NOT NULL';
const appendOnly = `
  CREATE TRIGGER settlements_stay BEFORE UPDATE ON settlements BEGIN SELECT RAISE(ABORT, 'append only'); END;
  CREATE TRIGGER settlements_remain BEFORE DELETE ON settlements BEGIN SELECT RAISE(ABORT, 'append only'); END;`;

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
   ${appendOnly}`,
  'ALTER TABLE limits ADD COLUMN max_calls INTEGER;',
  `ALTER TABLE grants ADD COLUMN role TEXT NOT NULL DEFAULT 'implementer';
   DROP TRIGGER settlements_stay;
   DROP TRIGGER settlements_remain;
   INSERT INTO settlements (at, grant_id, project, task, ralph, iteration, model, input, cache_write, cache_read, output, usd,
     price_known, status, refused)
     SELECT at, grant_id, project, task, ralph, iteration, model, input, cache_write, cache_read, output, usd, price_known,
       0, 'upstream' FROM calls ORDER BY id;
   DROP TABLE calls;
   ALTER TABLE settlements ADD COLUMN role TEXT NOT NULL DEFAULT 'implementer';
   ALTER TABLE settlements ADD COLUMN opened INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE settlements ADD COLUMN calls INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE settlements ADD COLUMN more TEXT NOT NULL DEFAULT '{}';
   UPDATE settlements SET opened = at, calls = refused IS NULL OR refused = 'upstream';
   CREATE INDEX settlements_opened ON settlements(opened);
   CREATE INDEX settlements_task ON settlements(task);
   ${appendOnly}
   CREATE TABLE budgets (
     node TEXT PRIMARY KEY, per TEXT NOT NULL, run_since INTEGER NOT NULL, tokens REAL, usd REAL, calls REAL,
     warn_at REAL NOT NULL) STRICT;
   INSERT INTO budgets SELECT 'task:' || task, 'total', 0, max_tokens, max_usd, max_calls, 0.8 FROM limits;
   DROP TABLE limits;
   DROP TABLE spend;
   CREATE TABLE periods (
     node TEXT NOT NULL, start INTEGER NOT NULL, tokens INTEGER NOT NULL, usd REAL NOT NULL, calls INTEGER NOT NULL,
     warned INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (node, start)) STRICT;
   CREATE TABLE reservations (
     id INTEGER PRIMARY KEY, at INTEGER NOT NULL, ${who}, role TEXT NOT NULL, model TEXT NOT NULL, price_known INTEGER NOT NULL,
     input INTEGER NOT NULL, output INTEGER NOT NULL, usd REAL NOT NULL, lowered_from INTEGER, held_ms INTEGER NOT NULL) STRICT;`,
  `CREATE TABLE advances (
     grant_id TEXT PRIMARY KEY, project TEXT NOT NULL, task TEXT NOT NULL, ralph TEXT NOT NULL, iteration TEXT NOT NULL,
     role TEXT NOT NULL, tokens INTEGER NOT NULL, usd REAL NOT NULL, boot TEXT NOT NULL) STRICT;`,
  `CREATE TABLE windows (
     credential TEXT NOT NULL, "window" TEXT NOT NULL, used REAL, reached INTEGER NOT NULL, since INTEGER NOT NULL,
     until INTEGER NOT NULL, PRIMARY KEY (credential, "window")) STRICT;
   CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
  `ALTER TABLE grants ADD COLUMN marks TEXT NOT NULL DEFAULT 'null';
   CREATE TABLE said (
     seq INTEGER PRIMARY KEY, iteration TEXT NOT NULL, at INTEGER NOT NULL, verb TEXT NOT NULL, given TEXT NOT NULL) STRICT;
   CREATE INDEX said_iteration ON said(iteration);
   CREATE TABLE arrived (
     iteration TEXT PRIMARY KEY, at INTEGER NOT NULL, prompt INTEGER, tools INTEGER, refused INTEGER NOT NULL DEFAULT 0) STRICT;`,
  'ALTER TABLE advances ADD COLUMN calls INTEGER NOT NULL DEFAULT 0;',
  // A reservation's number begins with that of its gateway's start, so that none is used twice: one that left may still speak of it.
  'CREATE TABLE starts (n INTEGER NOT NULL) STRICT; INSERT INTO starts VALUES (0);',
  "ALTER TABLE grants ADD COLUMN trace TEXT NOT NULL DEFAULT 'null';",
];

export function migrate(db: DatabaseSync, path: string): void {
  const version = versionOf(db, path);
  for (const [at, sql] of migrations.entries()) {
    if (at < version) continue;
    db.exec(`BEGIN IMMEDIATE; ${sql} PRAGMA user_version = ${at + 1}; COMMIT`);
  }
}

/** Throws `newer_state` when a later program has written it. */
export function versionOf(db: DatabaseSync, path: string): number {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (version > migrations.length) {
    throw new FleetError(
      'newer_state',
      `\`${path}\` is of version ${version}; this gateway knows versions up to ${migrations.length}.`,
      { remedy: 'Use the newer ralph-fleet, or restore the copy made before its upgrade.', details: { version } },
    );
  }
  return version;
}
