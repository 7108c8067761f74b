import { chmod, mkdir, readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import type { Mended } from '../../src/preflight/mend.ts';
import { createBackupSweep, createRecordSweep, createRunSweep } from '../../src/reclaim/history.ts';
import { reclaim } from '../../src/reclaim/reclaim.ts';
import { createSnapshotSweep } from '../../src/reclaim/snapshots.ts';
import type { Sweep } from '../../src/reclaim/sweep.ts';
import { openDatabase } from '../../src/store/open.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { type CliHome, createCliHome } from '../support/cli-home.ts';
import { until } from '../support/gateway-process.ts';
import { openFilesOf } from '../support/leftovers.ts';
import { anIteration, aProject, aRun, aSnapshot, aTask } from '../support/rows.ts';

const clock = createSystemClock();
const day = 86_400_000;
let home: CliHome;

beforeEach(async () => {
  home = await createCliHome();
});
afterEach(() => home[Symbol.asyncDispose]());

async function put(path: string, ageMs = 2 * day): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, 'x'.repeat(5000));
  const at = new Date(clock.now() - ageMs);
  await utimes(path, at, at);
  await utimes(join(path, '..'), at, at);
}

/** No process has so high a number. */
const deadPid = 4_194_400;

describe('gc of a real home', () => {
  it('lists, asks, removes what a killed builder left, and then finds nothing', async () => {
    const { images, state, tools } = home.paths;
    const left = [
      join(images, `.0123456789abcdef.${deadPid}.aside`, 'root/etc/passwd'),
      join(images, '0123456789abcdef.lock'),
      join(images, 'prepared-0123456789abcdef.qcow2.new'),
      join(images, 'templates', `.0123456789abcdef-01234567.${deadPid}`, 'memory'),
      join(tools, `.fedcba9876543210.${deadPid}.aside`, 'x'),
      join(state, `config.json.${deadPid}.k3jx0a1b.tmp`),
    ];
    const stays = [
      join(images, `.0123456789abcdef.${process.pid}.aside`, 'being built'),
      join(images, 'fedcba9876543210', 'image.qcow2'),
      join(images, 'prepared-fedcba9876543210.qcow2'),
      join(state, 'notes of mine.txt'),
    ];
    for (const path of [...left, ...stays]) await put(path);
    await home.cli('daemon', 'start');
    const would = JSON.parse((await home.cli('gc', '--dry-run', '--json')).out);
    expect(would).toMatchObject({ removed: false, problems: [] });
    expect(would.items.map((item: { kind: string }) => item.kind)).toEqual(left.map(() => 'leftover'));
    expect(would.sizeBytes).toBeGreaterThan(6 * 4096);
    expect((await home.cli('gc')).code).toBe(4);
    const done = await home.cli('gc', '--yes');
    expect(done).toMatchObject({ code: 0, out: expect.stringMatching(/^6 things, .* removed/) });
    expect((await home.cli('gc', '--yes')).out).toContain('Nothing to remove.');
    expect((await readdir(images)).sort()).toEqual(
      [
        `.0123456789abcdef.${process.pid}.aside`,
        'fedcba9876543210',
        'prepared-fedcba9876543210.qcow2',
        'templates',
      ].sort(),
    );
    expect(await readdir(state)).toContain('notes of mine.txt');
  });
});

it('a daemon that is asked again and again holds no more files open than before', async () => {
  await home.cli('daemon', 'start');
  const ask = async () => {
    for (const route of ['fleet', 'gc', 'plan', 'images'] as const) await home.client.call(route);
  };
  await ask();
  const pid = await home.daemonPid();
  const before = (await openFilesOf(pid)).length;
  for (let n = 0; n < 25; n++) await ask();
  await until('as few as before', async () => (await openFilesOf(pid)).length <= before);
});

describe('doctor --fix', () => {
  const fixed = async () => {
    const run = await home.cli('doctor', '--demo', '--fix', '--json');
    return { ...run, ...(JSON.parse(run.out) as { mended: Mended[]; checks: { id: string; state: string }[] }) };
  };

  it('mends what is safe, named before and after, and the second time finds nothing', async () => {
    await home.cli('daemon', 'start');
    const before = JSON.parse((await home.cli('doctor', '--demo', '--json')).out);
    const stateOf = (of: { checks: { id: string; state: string }[] }, id: string) =>
      of.checks.find((check) => check.id === id)?.state;
    for (const id of ['privacy', 'leftovers', 'cache']) expect(stateOf(before, id), id).toBe('ok');
    const { images, keys } = home.paths;
    const key = join(keys, 'a-key');
    const aside = join(images, `.0123456789abcdef.${deadPid}.aside`);
    await put(join(aside, 'root/etc/passwd'));
    await put(join(images, '0123456789abcdef', 'guest.json'));
    await put(join(images, 'fedcba9876543210', 'image.qcow2'));
    await put(key);
    await chmod(key, 0o644);
    const run = await fixed();
    expect(run.mended).toEqual([
      expect.objectContaining({
        check: 'cache',
        done: true,
        what: 'remove what is left of the image 0123456789abcdef',
      }),
      { check: 'privacy', done: true, what: `take ${key} away from others`, how: 'readable for you alone' },
      expect.objectContaining({ check: 'leftovers', done: true, what: expect.stringContaining(aside) }),
    ]);
    const lines = run.err.split('\n').map((line) => line.replace(/^ *\S+ /, ''));
    for (const { what, how } of run.mended) expect(lines[lines.indexOf(what) + 1], what).toBe(how);
    for (const id of ['privacy', 'leftovers', 'cache']) expect(stateOf(run, id), id).toBe('ok');
    expect((await stat(key)).mode & 0o777).toBe(0o600);
    expect(await readdir(images)).toEqual(['fedcba9876543210']);
    expect((await fixed()).mended).toEqual([]);
  });
});

describe('history', () => {
  let store: Store;
  const now = clock.now();
  const names = (sweep: Sweep, isConfirmed = false) =>
    reclaim([sweep], isConfirmed, createSilentLog()).then(({ items }) => items.map((item) => item.name));

  beforeEach(async () => {
    store = createStore({ db: openDatabase(':memory:'), clock });
    store.projects.insert(aProject());
    for (const [id, phase, since] of [
      ['T1', 'merged', now - 40 * day],
      ['T2', 'merged', now - 20 * day],
      ['T3', 'stalled', now - 400 * day],
    ] as const) {
      store.tasks.insert(aTask({ id, phase, since }));
      store.iterations.insert(anIteration({ id: `it-${id}`, task: id, phase: 'ended' }));
    }
  });
  afterEach(() => store.close());

  it('transcripts go so long after the end of their task; what is open, or of nobody yet, stays', async () => {
    const folder = join(home.root, 'runs');
    for (const id of ['it-T1', 'it-T2', 'it-T3', 'it-unknown']) await put(join(folder, id, 'stream'));
    await put(join(folder, 'it-fresh', 'stream'), 0);
    await put(join(folder, 'it-T2.bundle'));
    const sweep = createRunSweep({ store, clock, keepMs: () => 30 * day }, folder);
    expect(await names(sweep)).toEqual(['it-T1', 'it-T2.bundle', 'it-unknown']);
    expect(await readdir(folder)).toHaveLength(6);
    expect(await names(sweep, true)).toEqual(['it-T1', 'it-T2.bundle', 'it-unknown']);
    expect((await readdir(folder)).sort()).toEqual(['it-T2', 'it-T3', 'it-fresh']);
  });

  it('of a task nobody does anything for the last good snapshot stays, and what a person asked for', async () => {
    for (const n of [1, 2, 3, 4]) {
      store.snapshots.insert(aSnapshot({ id: `5a9e000${n}`, task: 'T3', n, iteration: `it-${n}`, bytes: 1000 * n }));
    }
    store.snapshots.insert(aSnapshot({ id: '5a9e0005', task: 'T3', n: 4, why: 'person' }));
    store.tasks.insert(aTask({ id: 'T4', phase: 'stalled', since: now - 20 * day }));
    store.snapshots.insert(aSnapshot({ id: '5a9e0006', task: 'T4', n: 1 }));
    store.snapshots.insert(aSnapshot({ id: '5a9e0007', task: 'T4', n: 2 }));
    store.checkRuns.insert(aRun({ task: 'T3', kind: 'loop', phase: 'passed', iteration: 'it-2' }));
    const space = async () => ({ vms: new Map(), snapshots: new Map([['5a9e0001', 5000]]) });
    const sweep = createSnapshotSweep({ store, clock, driver: { space }, keepMs: () => 30 * day, keep: () => 2 });
    const found = await sweep();
    expect(found.map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
      ['s-5a9e0004', 4000],
      ['s-5a9e0003', 3000],
      ['s-5a9e0001', 5000],
    ]);
    expect(found[0]?.why).toBe('T3 is stalled since 400 days; its last good one stays');
    store.tasks.update('T3', { rewind: { to: 3, commit: 'c', snapshot: '5a9e0003', isDone: true } });
    expect(await names(sweep, true)).toEqual(['s-5a9e0004', 's-5a9e0001']);
    const leaving = store.snapshots.list().filter(({ phase }) => phase === 'leaving');
    expect(leaving.map(({ id }) => id)).toEqual(['5a9e0001', '5a9e0004']);
    store.tasks.update('T3', { phase: 'ready', since: clock.now() });
    for (const { remove } of found) await remove();
    expect(store.snapshots.get('5a9e0003')?.phase).toBe('ready');
  });

  it('what is needed again between the look and the removal stays', async () => {
    const folder = join(home.root, 'runs');
    await put(join(folder, 'it-T1', 'stream'));
    const sweep = createRunSweep({ store, clock, keepMs: () => 30 * day }, folder);
    const found = await sweep();
    store.tasks.update('T1', { phase: 'ready' });
    for (const { remove } of found) await remove();
    expect(await readdir(folder)).toEqual(['it-T1']);
  });

  it('records that a run names stay for ever', async () => {
    const folder = join(home.root, 'evidence');
    const [named, orphan, fresh] = ['a', 'b', 'c'].map((letter) => letter.repeat(64));
    store.checkRuns.insert(aRun({ task: 'T1', record: named ?? null }));
    for (const digest of [named, orphan]) await put(join(folder, `${digest}.json`), 400 * day);
    await put(join(folder, `${fresh}.json`), 0);
    await put(join(folder, 'rp-0000000a.bundle'), 400 * day);
    expect(await names(createRecordSweep({ store, clock, keepMs: () => day }, folder), true)).toEqual([orphan]);
    expect(await readdir(folder)).toHaveLength(3);
  });

  it('the newest copy of the database stays, however old', async () => {
    const folder = join(home.root, 'db');
    for (const version of [2, 9, 10]) await put(join(folder, `fleet.db.v${version}.bak`), 90 * day);
    await put(join(folder, 'fleet.db'), 90 * day);
    const sweep = createBackupSweep({ clock, keepMs: () => 30 * day }, join(folder, 'fleet.db'));
    expect(await names(sweep, true)).toEqual([join(folder, 'fleet.db.v9.bak'), join(folder, 'fleet.db.v2.bak')]);
    expect((await readdir(folder)).sort()).toEqual(['fleet.db', 'fleet.db.v10.bak']);
  });

  it('what cannot be looked through or removed is said, and keeps nothing else from going', async () => {
    const gone: string[] = [];
    const item = (name: string, remove: () => Promise<void>) => ({
      kind: 'run' as const,
      name,
      why: '',
      sizeBytes: 1,
      remove,
    });
    const told = await reclaim(
      [
        async () => Promise.reject(new Error('no driver')),
        async () => [item('a', () => Promise.reject(new Error('busy'))), item('b', async () => void gone.push('b'))],
      ],
      true,
      createSilentLog(),
    );
    expect(told).toMatchObject({ items: [{ name: 'b' }], problems: ['no driver', 'busy'] });
    expect(gone).toEqual(['b']);
  });
});
