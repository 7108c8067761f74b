import { chmod, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isFleetError } from '../../src/lib/errors.ts';
import { migrations } from '../../src/store/migrations.ts';
import { openDatabase } from '../../src/store/open.ts';
import { createStore } from '../../src/store/store.ts';

const clock = { now: () => 1, sleep: async () => {}, after: () => () => {} };
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fleet-store-'));
  path = join(folder, 'fleet.db');
});

afterEach(async () => {
  await chmod(folder, 0o700);
  await rm(folder, { recursive: true });
});

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'nothing';
  } catch (error) {
    return isFleetError(error) ? error.code : String(error);
  }
}

describe('the store on disk', () => {
  it('is private, and holds what was written when it is opened again', async () => {
    const store = createStore({ db: openDatabase(path), clock });
    store.setDesire('up');
    store.close();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const again = createStore({ db: openDatabase(path), clock });
    expect(again.fleet().desire).toBe('up');
    again.close();
  });

  it('of a newer version is refused and left as it is', async () => {
    const db = new DatabaseSync(path);
    db.exec(`PRAGMA user_version = ${migrations.length + 1}`);
    db.close();
    const before = await readFile(path);
    expect(codeOf(() => openDatabase(path))).toBe('newer_state');
    const after = new DatabaseSync(path);
    expect(after.prepare('PRAGMA user_version').get()?.['user_version']).toBe(migrations.length + 1);
    after.close();
    expect(before.length).toBeGreaterThan(0);
  });

  it('that is no database, or cut in half, is told as such and not overwritten', async () => {
    await writeFile(path, 'this is not a database, whatever it says it is'.repeat(50));
    expect(codeOf(() => openDatabase(path))).toBe('storage');
    expect((await readFile(path, 'utf8')).startsWith('this is not')).toBe(true);
    await rm(path);
    const store = createStore({ db: openDatabase(path), clock });
    for (let n = 0; n < 200; n++) store.events.add('k', 's', 'x'.repeat(1000));
    store.close();
    const { size } = await stat(path);
    await truncate(path, Math.floor(size / 2));
    expect(codeOf(() => createStore({ db: openDatabase(path), clock }).events.after(0, 1000))).not.toBe('nothing');
  });

  it('in a folder that does not exist is told with the path', () => {
    expect(() => openDatabase(join(folder, 'no', 'fleet.db'))).toThrow(
      `Cannot open the store \`${join(folder, 'no', 'fleet.db')}\``,
    );
  });

  it('of a version that kept no questions still knows what a task waits for', () => {
    const before = migrations.findIndex((sql) => sql.includes('recentDigests'));
    const db = openDatabase(path, migrations.slice(0, before));
    const ask = JSON.stringify({ question: 'Which?', blocking: true, options: ['x', 'y'] });
    db.exec(`
      INSERT INTO projects VALUES ('p', '/p', 'main', '{}', 'x', 0);
      INSERT INTO tasks (id, project, title, description, checks, dependsOn, contextFiles, agent, phase, since, reason, iterations,
        uncounted, priority, seen, judged, reviewRound, stagnant, notes, limits, createdAt)
      SELECT id, 'p', 't', '', '[]', '[]', '[]', 'a', phase, 7, 'Which?', 2, 0, 'medium', 0, judged, 0, 0, '[]', '{}', 0
      FROM (SELECT 'T1' AS id, 'needs_input' AS phase, 'it-1' AS judged UNION SELECT 'T2', 'needs_input', 'it-9' UNION SELECT 'T3', 'ready', NULL);
      INSERT INTO iterations (id, task, ralph, vm, role, n, nonce, phase, ask, fromCommit, startedAt, deadline, streamBytes)
      VALUES ('it-1', 'T1', 'r', 'v', 'implementer', 1, '', 'ended', '${ask}', 'x', 0, 0, 0);
    `);
    db.close();
    const store = createStore({ db: openDatabase(path), clock });
    const question = {
      id: 1,
      question: 'Which?',
      blocking: true,
      preferred: null,
      askedAt: 7,
      iteration: 2,
      times: 1,
      answer: null,
      closedAt: null,
    };
    expect(store.tasks.list('ORDER BY id').map((task) => task.questions)).toEqual([
      [{ ...question, options: ['x', 'y'] }],
      [{ ...question, options: [] }],
      [],
    ]);
    store.close();
  });

  it('of an older version is copied aside before it is migrated', async () => {
    const db = openDatabase(path);
    createStore({ db, clock }).setDesire('up');
    db.close();
    const next = openDatabase(path, [...migrations, 'ALTER TABLE fleet ADD COLUMN later TEXT']);
    expect(next.prepare('PRAGMA user_version').get()?.['user_version']).toBe(migrations.length + 1);
    expect(next.prepare('SELECT desire, later FROM fleet').get()).toEqual({ desire: 'up', later: null });
    next.close();
    const old = `fleet.db.v${migrations.length}.bak`;
    expect((await readdir(folder)).sort()).toContain(old);
    const copy = createStore({ db: openDatabase(join(folder, old)), clock });
    expect(copy.fleet().desire).toBe('up');
    copy.close();
  });

  it('whose migration breaks off stays at its version, whole', () => {
    openDatabase(path).close();
    expect(
      codeOf(() => openDatabase(path, [...migrations, 'CREATE TABLE half (a TEXT); SELECT broken FROM nowhere'])),
    ).toBe('storage');
    const db = openDatabase(path);
    expect(db.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'half'").get()?.['n']).toBe(0);
    db.close();
  });
});
