import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { evidenceDigest } from '../../src/domain/evidence.ts';
import { assembleBundle } from '../../src/evidence/assemble.ts';
import { exportBundle, takeBundle } from '../../src/evidence/hand-over.ts';
import { readBundle } from '../../src/evidence/read.ts';
import { createRecordFiles } from '../../src/evidence/records.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { openDatabase } from '../../src/store/open.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { aBundle, aRecord } from '../support/evidence.ts';
import { aProject, aReview, aRun, aTask } from '../support/rows.ts';
import { createKit, installJj, type Kit } from './changes-kit.ts';

let jj: string;
let kit: Kit;
let folder: string;
let store: Store;
let commit: string;
beforeAll(async () => {
  jj = await installJj();
}, 300_000);
beforeEach(async () => {
  kit = await createKit(jj);
  folder = await mkdtemp(join(tmpdir(), 'rf-evidence-'));
  store = createStore({ db: openDatabase(join(folder, 'fleet.db')), clock: createSystemClock() });
  await kit.changes.startChange('shop', 'T1', kit.base, 'Mend');
  const ws = await kit.workspace();
  await ws.write('src/code.js', 'export const n = 2;\n');
  commit = (await kit.changes.importSaved('shop', 'T1', kit.base, await ws.bundle())).head;
}, 60_000);
afterEach(async () => {
  store.close();
  await rm(folder, { recursive: true, force: true });
  await kit[Symbol.asyncDispose]();
});

const deps = () => ({
  store,
  clock: createSystemClock(),
  changes: kit.changes,
  records: createRecordFiles(join(folder, 'records')),
  version: '0.1.0',
});

/** A task that was verified and reviewed, as the daemon leaves it. */
async function verified(): Promise<void> {
  await mkdir(join(folder, 'records'), { recursive: true });
  const record = aRecord({ commit, tested: commit, base: kit.base });
  const digest = await deps().records.write(record);
  const { stdout: _, stderr: __, ...facts } = record.results[0] ?? { stdout: null, stderr: null };
  const results = [{ ...(facts as ReturnType<typeof aRun>['results'][number]), tail: '' }];
  store.projects.insert(aProject({ name: 'shop', path: '/home/ada/secret place/shop' }));
  store.tasks.insert(aTask({ project: 'shop', phase: 'awaiting_approval', head: commit, base: kit.base }));
  const at = { commit, tested: commit, base: kit.base, results };
  store.checkRuns.insert(
    aRun({ ...at, id: 'ck-0', phase: 'failed', results: results.map((one) => ({ ...one, passed: false })) }),
  );
  store.checkRuns.insert(aRun({ ...at, kind: 'verify', iteration: null, record: digest }));
  store.checkRuns.insert(
    aRun({ ...at, id: 'ck-2', kind: 'verify', variant: 'restored', iteration: null, record: digest }),
  );
  store.reviews.insert(aReview({ phase: 'approved', commit, base: kit.base, summary: 'fine' }));
}
const task = () => store.tasks.mustGet('T1');
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'nothing',
    (error: { code?: string }) => error.code ?? String(error),
  );

describe('handing evidence over', () => {
  it('writes one file with all of it, and nothing of this host', async () => {
    await verified();
    const { path, digest } = await exportBundle(deps(), task(), folder);
    expect(path).toBe(join(folder, `T1-${commit.slice(0, 10)}.evidence.json`));
    const { parts, ...bundle } = await readBundle(path);
    expect(bundle.digest).toBe(digest);
    const rows = { commit, base: kit.base, checkRuns: store.checkRuns.list(), reviews: store.reviews.list() };
    expect(bundle.evidence).toBe(evidenceDigest(rows));
    expect(parts.runs[0]?.results[0]?.stdout).toEqual({ bytes: 5, encoding: 'utf8', head: 'fine\n', tail: null });
    expect(parts.verified.map((one) => one.variant)).toEqual(['as-committed', 'restored']);
    expect(parts.flaky).toEqual([{ check: 'c', commit, passed: 1, runs: 2 }]);
    expect(await readFile(path, 'utf8')).not.toContain('secret place');
    expect(await codeOf(exportBundle(deps(), task(), path))).toBe('refused');
    expect(await codeOf(exportBundle(deps(), task(), join(folder, 'no/such/folder/x.json')))).toBe('storage');
  });

  it('is refused where nothing was verified, or a record is gone or is not what it was', async () => {
    await verified();
    store.tasks.update('T1', { head: kit.base });
    expect(await codeOf(assembleBundle(deps(), task()))).toBe('refused');
    store.tasks.update('T1', { head: commit });
    const [name = ''] = await readdir(join(folder, 'records'));
    const file = join(folder, 'records', name);
    await writeFile(file, (await readFile(file, 'utf8')).replace('fine', 'bad!'));
    expect(await codeOf(assembleBundle(deps(), task()))).toBe('storage');
    await rm(file);
    expect(await codeOf(assembleBundle(deps(), task()))).toBe('storage');
  });
});

describe('a bundle from somebody else', () => {
  const take = (path: string) =>
    takeBundle({ folder, isOpen: () => false }, path, { id: 'rp-0000000a', repository: kit.project.path });

  it('brings its commit into a repository of its own, from it and the repository it was made in', async () => {
    await verified();
    const { path } = await exportBundle(deps(), task(), folder);
    const handed = await take(path);
    expect(handed).toMatchObject({ commit, base: kit.base, recorded: { protected: ['test/**'], recipe: null } });
    await kit.changes.adopt('rp-0000000a', kit.project.path, { base: kit.base, commit, change: handed.source.change });
    expect(await kit.changes.readFile('rp-0000000a', commit, 'src/code.js')).toBe('export const n = 2;\n');
    expect((await stat(await kit.changes.bundle('rp-0000000a', commit))).size).toBeGreaterThan(0);
    const restored = await kit.changes.restoreProtected('rp-0000000a', kit.base, commit, ['src/**']);
    expect(restored).toBe(await kit.changes.restoreProtected('shop', kit.base, commit, ['src/**']));
    await kit.changes.discard('rp-0000000a');
    expect(await readdir(join(kit.folder, 'state/repos'))).toEqual(['shop']);
  });

  it('cannot bring anything else, nor be replayed on another repository', async () => {
    await verified();
    const { path } = await exportBundle(deps(), task(), folder);
    const { change } = (await take(path)).source;
    const adopt = (more: Partial<Parameters<typeof kit.changes.adopt>[2]>, from = kit.project.path) =>
      codeOf(kit.changes.adopt('rp-0000000a', from, { base: kit.base, commit, change, ...more }));
    expect(await adopt({ commit: 'e'.repeat(40) })).toBe('invalid_file');
    expect(await adopt({ base: 'e'.repeat(40) })).toBe('not_found');
    expect(await adopt({}, folder)).toBe('not_found');
    await writeFile(join(folder, 'junk'), '# v2 git bundle\n\nPACKjunk');
    expect(await adopt({ change: join(folder, 'junk') })).toBe('invalid_file');
    expect(await codeOf(kit.changes.discard('shop'))).toBe('bug');
    expect(await adopt({})).toBe('nothing');
    expect(await adopt({})).toBe('nothing');
  });

  it('leaves no file behind when it is not taken', async () => {
    await writeFile(join(folder, 'rp-0000000b.bundle'), 'of a replay that never began');
    await writeFile(join(folder, 'b.json'), JSON.stringify(aBundle({ change: Buffer.from('x') })));
    await take(join(folder, 'b.json'));
    expect((await readdir(folder)).filter((name) => name.startsWith('rp-'))).toEqual(['rp-0000000a.bundle']);
  });

  it('is read only when it is a whole file of ours', async () => {
    const text = JSON.stringify(aBundle());
    const at = async (name: string, content: string | Uint8Array) => {
      await writeFile(join(folder, name), content);
      return codeOf(readBundle(join(folder, name)));
    };
    expect(await at('good', text)).toBe('nothing');
    expect(await at('half', text.slice(0, text.length / 2))).toBe('invalid_file');
    expect(await at('empty', '')).toBe('invalid_file');
    expect(await at('binary', new Uint8Array([0xff, 0, 1]))).toBe('invalid_file');
    expect(await at('deep', '['.repeat(200_000))).toBe('invalid_file');
    expect(await at('proto', text.replace('"format"', '"__proto__":{"x":1},"format"'))).toBe('invalid_file');
    expect(await at('swapped', text.replace('fine', 'FINE'))).toBe('invalid_file');
    expect(await codeOf(readBundle(folder))).toBe('invalid_file');
    expect(await codeOf(readBundle(join(folder, 'none')))).toBe('not_found');
    expect(await codeOf(readBundle('/dev/zero'))).toBe('invalid_file');
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    expect(await codeOf(readBundle(join(folder, 'fifo')))).toBe('invalid_file');
  });
});
