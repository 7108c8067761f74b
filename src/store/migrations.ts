/**
 * The schema, one entry per version, applied in order in one transaction each. Never edit an entry that was released: add one.
 * STRICT tables; times are milliseconds since the epoch; `json` columns are TEXT.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE fleet (
    id INTEGER PRIMARY KEY CHECK (id = 1), desire TEXT NOT NULL, paused INTEGER NOT NULL, since INTEGER NOT NULL, nextTask INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE projects (
    name TEXT PRIMARY KEY, path TEXT NOT NULL, branch TEXT NOT NULL, settings TEXT NOT NULL, settingsFrom TEXT NOT NULL,
    addedAt INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE tasks (
    id TEXT PRIMARY KEY, project TEXT NOT NULL REFERENCES projects(name), title TEXT NOT NULL, description TEXT NOT NULL,
    checks TEXT NOT NULL, dependsOn TEXT NOT NULL, contextFiles TEXT NOT NULL, agent TEXT NOT NULL, model TEXT, scenario TEXT,
    phase TEXT NOT NULL, since INTEGER NOT NULL, reason TEXT, until INTEGER, base TEXT, head TEXT, changeId TEXT, disk TEXT,
    ralph TEXT, iterations INTEGER NOT NULL, uncounted INTEGER NOT NULL, priority TEXT NOT NULL,
    seen INTEGER NOT NULL, calledOut INTEGER, judged TEXT, reviewRound INTEGER NOT NULL, progressDigest TEXT,
    stagnant INTEGER NOT NULL, notes TEXT NOT NULL, limits TEXT NOT NULL, createdAt INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX tasks_phase ON tasks(phase);
  CREATE TABLE ralphs (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, task TEXT, vm TEXT, since INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE vms (
    id TEXT PRIMARY KEY, purpose TEXT NOT NULL, project TEXT, task TEXT, ralph TEXT, prepares TEXT, desired TEXT NOT NULL, phase TEXT NOT NULL,
    since INTEGER NOT NULL, stage TEXT, stageSince INTEGER NOT NULL, disk TEXT NOT NULL, size TEXT NOT NULL, hostKey TEXT,
    failure TEXT, seeded TEXT NOT NULL, touched INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX vms_phase ON vms(phase);
  CREATE TABLE disks (
    "key" TEXT PRIMARY KEY, kind TEXT NOT NULL, project TEXT, phase TEXT NOT NULL, path TEXT, boot TEXT, backing TEXT,
    "commit" TEXT, progress TEXT, failure TEXT, attempts INTEGER NOT NULL, since INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE iterations (
    id TEXT PRIMARY KEY, task TEXT NOT NULL REFERENCES tasks(id), ralph TEXT NOT NULL, vm TEXT NOT NULL, role TEXT NOT NULL,
    n INTEGER NOT NULL, nonce TEXT NOT NULL, phase TEXT NOT NULL, outcome TEXT, reason TEXT, summary TEXT, ask TEXT, retryAt INTEGER, review TEXT,
    fromCommit TEXT NOT NULL, savedCommit TEXT, startedAt INTEGER NOT NULL, endedAt INTEGER, deadline INTEGER NOT NULL,
    streamBytes INTEGER NOT NULL, lastOutputAt INTEGER, savedAt INTEGER
  ) STRICT;
  CREATE INDEX iterations_task ON iterations(task, phase);
  CREATE TABLE checkRuns (
    id TEXT PRIMARY KEY, task TEXT NOT NULL REFERENCES tasks(id), kind TEXT NOT NULL, variant TEXT NOT NULL,
    "commit" TEXT NOT NULL, tested TEXT NOT NULL, base TEXT NOT NULL, vm TEXT, iteration TEXT, phase TEXT NOT NULL, results TEXT NOT NULL,
    startedAt INTEGER NOT NULL, endedAt INTEGER, failure TEXT
  ) STRICT;
  CREATE INDEX checkRuns_task ON checkRuns(task, phase);
  CREATE TABLE reviews (
    id TEXT PRIMARY KEY, task TEXT NOT NULL REFERENCES tasks(id), "commit" TEXT NOT NULL, base TEXT NOT NULL,
    round INTEGER NOT NULL, phase TEXT NOT NULL, findings TEXT NOT NULL, summary TEXT, attempts INTEGER NOT NULL,
    iteration TEXT, at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX reviews_task ON reviews(task);
  CREATE TABLE approvals (
    id INTEGER PRIMARY KEY, task TEXT NOT NULL REFERENCES tasks(id), "commit" TEXT NOT NULL, base TEXT NOT NULL,
    evidence TEXT NOT NULL, decision TEXT NOT NULL, notes TEXT, channel TEXT NOT NULL, "by" TEXT NOT NULL, at INTEGER NOT NULL,
    state TEXT NOT NULL, carriedFrom TEXT
  ) STRICT;
  CREATE INDEX approvals_task ON approvals(task, state);
  CREATE TABLE pings (
    item TEXT PRIMARY KEY, at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE spend (
    iteration TEXT PRIMARY KEY, task TEXT NOT NULL, tokens INTEGER NOT NULL, usd REAL NOT NULL, calls INTEGER NOT NULL,
    refused TEXT, retryAt INTEGER
  ) STRICT;
  CREATE TABLE cursors (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE budgets (node TEXT PRIMARY KEY, budget TEXT NOT NULL, at INTEGER NOT NULL, "by" TEXT NOT NULL) STRICT;
  CREATE TABLE stops (
    node TEXT PRIMARY KEY, unit TEXT NOT NULL, per TEXT NOT NULL, "limit" REAL NOT NULL, used REAL NOT NULL, needed REAL NOT NULL,
    at INTEGER NOT NULL, until INTEGER
  ) STRICT;
  ALTER TABLE spend ADD COLUMN shortfall TEXT;
  `,
  `
  ALTER TABLE vms ADD COLUMN way TEXT NOT NULL DEFAULT 'boot';
  ALTER TABLE vms ADD COLUMN identity TEXT NOT NULL DEFAULT 'null';
  ALTER TABLE disks ADD COLUMN forkFailures INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE disks ADD COLUMN forkFailedAt INTEGER;
  `,
  `
  DROP INDEX tasks_phase;
  DROP INDEX vms_phase;
  DROP INDEX iterations_task;
  CREATE INDEX iterations_task ON iterations(task);
  DROP INDEX checkRuns_task;
  CREATE INDEX checkRuns_task ON checkRuns(task);
  DROP INDEX approvals_task;
  CREATE INDEX approvals_task ON approvals(task);
  CREATE TABLE kept (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL
  ) STRICT;
  INSERT INTO kept SELECT seq, at, kind, subject, text FROM events;
  DROP TABLE events;
  ALTER TABLE kept RENAME TO events;
  `,
  `
  ALTER TABLE tasks ADD COLUMN pausedIn TEXT;
  `,
  `
  UPDATE projects SET settings = json_set(settings, '$.packages', json('[]'), '$.services', json('[]'));
  `,
  `
  CREATE TABLE limits (
    id TEXT PRIMARY KEY, provider TEXT NOT NULL, "window" TEXT NOT NULL, cause TEXT NOT NULL, usedRatio REAL, since INTEGER NOT NULL,
    until INTEGER NOT NULL, lifted INTEGER NOT NULL
  ) STRICT;
  ALTER TABLE spend ADD COLUMN fault TEXT;
  ALTER TABLE spend ADD COLUMN faults INTEGER NOT NULL DEFAULT 0;
  `,
  `
  ALTER TABLE tasks DROP COLUMN progressDigest;
  ALTER TABLE tasks ADD COLUMN recentDigests TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE tasks ADD COLUMN questions TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE iterations ADD COLUMN savedTree TEXT;
  UPDATE tasks SET questions = json_array(json_object(
    'id', 1, 'question', coalesce(reason, title), 'blocking', json('true'),
    'options', json(coalesce((SELECT json_extract(ask, '$.options') FROM iterations WHERE iterations.id = tasks.judged), '[]')),
    'preferred', NULL, 'askedAt', since, 'iteration', iterations, 'times', 1, 'answer', NULL, 'closedAt', NULL
  )) WHERE phase = 'needs_input';
  `,
  `
  ALTER TABLE tasks ADD COLUMN needs TEXT;
  ALTER TABLE spend ADD COLUMN imputedUsd REAL NOT NULL DEFAULT 0;
  `,
  `
  ALTER TABLE iterations ADD COLUMN arrived TEXT NOT NULL DEFAULT 'null';
  CREATE TABLE lessons (
    id TEXT PRIMARY KEY, project TEXT NOT NULL, task TEXT NOT NULL, iteration TEXT NOT NULL, text TEXT NOT NULL, kind TEXT NOT NULL,
    scope TEXT NOT NULL, at INTEGER NOT NULL, times INTEGER NOT NULL, forgotten INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX lessons_project ON lessons(project);
  CREATE TABLE flags (
    id TEXT PRIMARY KEY, task TEXT NOT NULL, project TEXT NOT NULL, iteration TEXT NOT NULL, ralph TEXT NOT NULL, what TEXT NOT NULL,
    severity TEXT NOT NULL, category TEXT NOT NULL, at INTEGER NOT NULL, seen INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX flags_task ON flags(task);
  `,
  `
  ALTER TABLE checkRuns ADD COLUMN record TEXT;
  ALTER TABLE disks ADD COLUMN recipe TEXT;
  CREATE TABLE replays (
    id TEXT PRIMARY KEY, task TEXT, title TEXT NOT NULL, project TEXT NOT NULL, source TEXT NOT NULL, "commit" TEXT NOT NULL,
    base TEXT NOT NULL, checks TEXT NOT NULL, recorded TEXT NOT NULL, disk TEXT, phase TEXT NOT NULL, reason TEXT, runs TEXT NOT NULL,
    attempts INTEGER NOT NULL, remarks TEXT NOT NULL, startedAt INTEGER NOT NULL, endedAt INTEGER, tidied INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX replays_task ON replays(task);
  `,
  `
  CREATE TABLE tallies (name TEXT NOT NULL, labels TEXT NOT NULL, value REAL NOT NULL, PRIMARY KEY (name, labels)) STRICT;
  `,
  `
  ALTER TABLE vms ADD COLUMN origin TEXT;
  ALTER TABLE tasks ADD COLUMN rewind TEXT;
  CREATE TABLE snapshots (
    id TEXT PRIMARY KEY, vm TEXT NOT NULL, project TEXT, task TEXT, why TEXT NOT NULL, iteration TEXT, n INTEGER, "commit" TEXT,
    disk TEXT NOT NULL, size TEXT NOT NULL, phase TEXT NOT NULL, failure TEXT, bytes INTEGER, since INTEGER NOT NULL
  ) STRICT;
  `,
];
