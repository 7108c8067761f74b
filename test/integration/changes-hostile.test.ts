import { readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createExec } from '../../src/lib/exec.ts';
import { createKit, installJj, type Kit, oneChangePerTask, type Workspace } from './changes-kit.ts';

let jj: string;
let kit: Kit;
let ws: Workspace;
let head: string;
let changeId: string;
const limits = { bundleBytes: 3_000_000, files: 12_000, treeBytes: 50_000_000 };
beforeAll(async () => {
  jj = await installJj();
});
beforeEach(async () => {
  kit = await createKit(jj, limits);
  ({ head, changeId } = await kit.changes.startChange('shop', 'T1', kit.base, 'Mend'));
  ws = await kit.workspace();
});
afterEach(() => kit[Symbol.asyncDispose]());

const take = (file: string) => kit.changes.importSaved('shop', 'T1', kit.base, file);
const exec = createExec();

/** Nothing of a refused bundle is left: the ref stands, no object came in, quarantine is empty, and good work is taken after it. */
async function nothingTaken(): Promise<void> {
  expect(await kit.host('rev-parse', 'refs/heads/ralph/T1')).toBe(head);
  expect(await kit.host('for-each-ref', 'refs/rf/agent')).toBe('');
  const left = await exec(['find', join(kit.folder, 'state/repos/shop/quarantine'), '-mindepth', '1'], {
    okExitCodes: [0, 1],
  });
  expect(left.stdout).toBe('');
  expect(await oneChangePerTask(kit)).toEqual([changeId]);
  await ws.git('checkout', '-q', '-f', kit.base);
  await ws.git('clean', '-qfdx');
  await ws.write('a.txt', 'good');
  expect(await take(await ws.bundle())).toMatchObject({ changed: true, files: 1 });
}

/** A commit of hand-made tree entries on the base, in the workspace, past all checks of git. */
async function commitOf(entries: string | Uint8Array): Promise<string> {
  const input = typeof entries === 'string' ? Buffer.from(entries, 'latin1') : entries;
  const argv = ['git', 'hash-object', '-t', 'tree', '-w', '--literally', '--stdin'];
  const { stdout } = await exec(argv, { cwd: ws.folder, input });
  return ws.git('commit-tree', stdout.trim(), '-p', kit.base, '-m', 'hostile');
}

async function blob(text: string): Promise<string> {
  const { stdout } = await exec(['git', 'hash-object', '-w', '--stdin'], { cwd: ws.folder, input: text });
  return Buffer.from(stdout.trim(), 'hex').toString('latin1');
}

test('truncated, garbled, empty, missing and oversized bundles are refused', async () => {
  await ws.write('a.txt', 'x'.repeat(1000));
  const whole = await ws.bundle();
  const bytes = await readFile(whole);
  for (const length of [0, 10, 80, bytes.length - 30, bytes.length - 1]) {
    const file = join(kit.folder, `cut-${length}`);
    await writeFile(file, bytes.subarray(0, length));
    await expect(take(file)).rejects.toMatchObject({ code: 'change_rejected' });
  }
  const garbled = Buffer.from(bytes);
  garbled.fill(0x41, bytes.length - 60, bytes.length - 40);
  await writeFile(join(kit.folder, 'garbled'), garbled);
  await expect(take(join(kit.folder, 'garbled'))).rejects.toMatchObject({ code: 'change_rejected' });
  await truncate(whole, limits.bundleBytes + 1);
  await expect(take(whole)).rejects.toMatchObject({ code: 'too_large' });
  await expect(take(join(kit.folder, 'missing'))).rejects.toThrow();
  await nothingTaken();
});

test('another ref, more refs, a ref to a tree, unknown prerequisites are refused', async () => {
  const file = join(kit.folder, 'b');
  await ws.git('commit', '-q', '--allow-empty', '-m', 'x');
  await ws.git('update-ref', 'refs/ralph/saved', 'HEAD');
  const bundle = async (...refs: string[]) => ws.git('bundle', 'create', '-q', file, ...refs, `^${kit.base}`);
  await bundle('refs/heads/work');
  await expect(take(file)).rejects.toMatchObject({ code: 'change_rejected' });
  await bundle('refs/ralph/saved', 'refs/heads/work');
  await expect(take(file)).rejects.toThrow('2 refs');
  await ws.git('commit', '-q', '--allow-empty', '-m', 'unknown to the host');
  const unknown = await ws.git('rev-parse', 'HEAD');
  await ws.write('a.txt', 'y');
  await ws.git('commit', '-qam', 'y');
  await ws.git('update-ref', 'refs/ralph/saved', 'HEAD');
  await ws.git('bundle', 'create', '-q', file, 'refs/ralph/saved', `^${unknown}`);
  await expect(take(file)).rejects.toMatchObject({ code: 'change_rejected' });
  await ws.git('update-ref', 'refs/ralph/saved', await blobRef());
  await ws.git('bundle', 'create', '-q', file, 'refs/ralph/saved').catch(() => {});
  await expect(take(file)).rejects.toMatchObject({ code: 'change_rejected' });
  await nothingTaken();
});

async function blobRef(): Promise<string> {
  return Buffer.from(await blob('a blob'), 'latin1').toString('hex');
}

test.each([
  ['.git', '100644 .git\0'],
  ['.GIT', '100644 .GIT\0'],
  ['git~1', '100644 git~1\0'],
  ['..', '100644 ..\0'],
  ['a path in a name', '100644 ../x\0'],
  ['.', '100644 .\0'],
  ['.gitmodules as a link', '120000 .gitmodules\0'],
])('a tree with %s is refused', async (_name, entry) => {
  const commit = await commitOf(`${entry}${await blob('../../etc/passwd')}`);
  await expect(take(await ws.bundle(commit))).rejects.toMatchObject({ code: 'change_rejected' });
  await nothingTaken();
});

test('an odd mode becomes a usual one', async () => {
  const { head: saved } = await take(await ws.bundle(await commitOf(`100777 a\0${await blob('x')}`)));
  expect(await kit.host('cat-file', '-p', `${saved}^{tree}`)).toContain('100755 blob');
  expect(await exec(['git', '-C', join(kit.folder, 'state/repos/shop/git'), 'fsck', '--strict', saved])).toBeTruthy();
});

test('the same name twice, and an object that is missing, are refused', async () => {
  const id = await blob('x');
  const twice = await commitOf(`120000 a\0${id}100644 a\0${id}`);
  await expect(take(await ws.bundle(twice))).rejects.toMatchObject({ code: 'change_rejected' });
  const missing = await commitOf(`100644 a\0${'\x11'.repeat(20)}`);
  const file = await ws.bundle(missing).catch(() => join(kit.folder, 'not-made'));
  await expect(take(file)).rejects.toThrow();
  await nothingTaken();
});

test('a tree that unfolds without end is refused', async () => {
  let entry = `100644 f\0${await blob('x')}`;
  for (let depth = 0; depth < 12; depth++) {
    const { stdout } = await exec(['git', 'hash-object', '-t', 'tree', '-w', '--stdin'], {
      cwd: ws.folder,
      input: Buffer.from(entry, 'latin1'),
    });
    const id = Buffer.from(stdout.trim(), 'hex').toString('latin1');
    entry = Array.from('abcdefghij', (name) => `40000 ${name}\0${id}`).join('');
  }
  await expect(take(await ws.bundle(await commitOf(entry)))).rejects.toMatchObject({ code: 'too_large' });
  await nothingTaken();
});

test('a small bundle of much content, and too many files, are refused', async () => {
  await ws.write('zeros', Buffer.alloc(limits.treeBytes + 1));
  await expect(take(await ws.bundle())).rejects.toMatchObject({ code: 'too_large' });
  await ws.git('reset', '-q', '--hard', kit.base);
  const id = await blob('');
  const names = Array.from({ length: limits.files + 1 }, (_, n) => `f${String(n).padStart(6, '0')}`);
  const many = await commitOf(names.map((name) => `100644 ${name}\0${id}`).join(''));
  await expect(take(await ws.bundle(many))).rejects.toMatchObject({ code: 'too_large' });
  await nothingTaken();
});

test('links out of it, repositories in it and names that are no text are left out and listed; the rest is taken', async () => {
  await ws.write('good.txt', 'good');
  for (const [name, target] of [
    ['out', '../../etc'],
    ['abs', '/etc/passwd'],
    ['into-git', '.git/config'],
    ['fine', 'src/code.js'],
  ] as const) {
    await symlink(target, join(ws.folder, name));
  }
  await writeFile(Buffer.concat([Buffer.from(`${ws.folder}/latin`), Buffer.from([0xe9])]), 'x');
  await ws.write('esc\u001b[2J', 'x');
  await ws.write('line\nbreak', 'x');
  await ws.git('clone', '-q', '.', 'sub');
  const saved = await take(await ws.bundle());
  expect(saved.leftOut.map((line) => line.replace(/ \(.*/, '')).sort()).toEqual(
    ['"esc\\033[2J"', '"latin\\351"', '"line\\nbreak"', 'abs', 'into-git', 'out', 'sub'].sort(),
  );
  const files = await kit.changes.files('shop', kit.base, saved.head, []);
  expect(files.map((f) => f.path)).toEqual(['fine', 'good.txt']);
  expect(saved.files).toBe(2);
  expect(await oneChangePerTask(kit)).toEqual([changeId]);
  // What the agent had is not lost.
  expect(await kit.host('ls-tree', '--name-only', 'refs/rf/agent/T1/1')).toContain('latin');
});

test('10,000 files are taken', async () => {
  const names = Array.from({ length: 10_000 }, (_, n) => n);
  await ws.git('reset', '-q', '--hard', kit.base);
  const lines = names.map(
    (n) => `100644 ${Buffer.from('e69de29bb2d1d6434b8b29ae775ad8c2e48c5391').toString()}\td${n % 100}/f${n}\n`,
  );
  await exec(['git', 'hash-object', '-w', '--stdin'], { cwd: ws.folder, input: '' });
  await exec(['git', 'update-index', '--add', '--index-info'], { cwd: ws.folder, input: lines.join('') });
  const tree = await ws.git('write-tree');
  const file = await ws.bundle(await ws.git('commit-tree', tree, '-p', kit.base, '-m', 'many'));
  const started = performance.now();
  expect(await take(file)).toMatchObject({ files: 10_000, changed: true });
  console.log(`importSaved of 10,000 files: ${Math.round(performance.now() - started)} ms`);
  expect(await oneChangePerTask(kit)).toEqual([changeId]);
});

test('how long importSaved takes (printed, not asserted)', async () => {
  const times: number[] = [];
  for (let n = 0; n < 10; n++) {
    await ws.write('a.txt', `text ${n}\n`);
    const file = await ws.bundle();
    const started = performance.now();
    await take(file);
    times.push(Math.round(performance.now() - started));
  }
  console.log(`importSaved, 10 small saves: ${times.join(' ')} ms`);
});
