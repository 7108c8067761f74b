import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createExec } from '../../src/lib/exec.ts';
import { createKit, fileOf, installJj, type Kit, oneChangePerTask } from './changes-kit.ts';

let jj: string;
let kit: Kit;
let approved: string;
let changeId: string;
const exec = createExec();
beforeAll(async () => {
  jj = await installJj();
});
beforeEach(async () => {
  kit = await createKit(jj);
  ({ changeId } = await kit.changes.startChange('shop', 'T1', kit.base, 'Mend'));
  const ws = await kit.workspace();
  await ws.write('a.txt', 'mended\n');
  await ws.write('new/file.txt', 'new\n');
  await rm(join(ws.folder, 'src/code.js'));
  approved = (await kit.changes.importSaved('shop', 'T1', kit.base, await ws.bundle())).head;
});
afterEach(() => kit[Symbol.asyncDispose]());

const integrate = () =>
  kit.changes.integrate(kit.project, 'T1', approved, kit.base, 'Mend the sum\n\nWhy: it was wrong.');
const tip = () => kit.user('rev-parse', 'refs/heads/main');
const write = (path: string, text: string) => writeFile(join(kit.project.path, path), text);

async function nothingMoved(): Promise<void> {
  expect(await tip()).toBe(kit.base);
  expect(await kit.host('rev-parse', 'refs/heads/ralph/T1')).toBe(approved);
}

test('a clean checkout: branch and files move; repeated, it is the same commit', async () => {
  const { commit } = await integrate();
  expect(await tip()).toBe(commit);
  expect(await kit.user('status', '--porcelain')).toBe('');
  expect(await fileOf(kit, 'a.txt')).toBe('mended\n');
  const shown = await kit.user('log', '-1', '--format=%P|%an <%ae>|%cn <%ce>|%B', commit);
  const ada = 'Ada Lövelace <ada@example.org>';
  expect(shown).toBe(`${kit.base}|${ada}|${ada}|Mend the sum\n\nWhy: it was wrong.`);
  expect(await kit.user('cat-file', 'commit', commit)).toContain(`\nchange-id ${changeId}\n`);
  expect(await kit.user('rev-parse', `${commit}^{tree}`)).toBe(await kit.host('rev-parse', `${approved}^{tree}`));
  expect(await integrate()).toEqual({ commit });
  expect(await kit.user('rev-list', '--count', 'main')).toBe('2');
  await kit.user('commit', '-q', '--allow-empty', '-m', 'later');
  expect(await integrate()).toEqual({ commit });
  expect(await kit.user('rev-list', '--count', 'main')).toBe('3');
  expect(await oneChangePerTask(kit)).toEqual([changeId]);
  expect(await kit.user('for-each-ref', '--format=%(refname)')).toBe('refs/heads/main');
});

test('changes of the user elsewhere stay, staged or not', async () => {
  await write('.gitignore', '*.log\n*.tmp\n');
  await write('mine.txt', 'mine\n');
  await kit.user('add', 'mine.txt');
  await integrate();
  expect(await kit.user('status', '--porcelain')).toBe('M .gitignore\nA  mine.txt');
});

test.each([
  ['a changed file', 'a.txt', false],
  ['a staged file', 'a.txt', true],
  ['a file it deletes', 'src/code.js', false],
  ['an untracked file', 'new/file.txt', false],
  ['an ignored file', 'new/file.txt', 'ignored'],
])('%s in the way: refused, nothing lost', async (_name, path, how) => {
  if (how === 'ignored') await write('.git/info/exclude', 'new/\n');
  await mkdir(join(kit.project.path, 'new'), { recursive: true });
  await write(path, 'of the user\n');
  if (how === true) await kit.user('add', path);
  await expect(integrate()).rejects.toMatchObject({
    code: 'change_conflict',
    remedy: expect.stringContaining('Commit or stash'),
  });
  await nothingMoved();
  expect(await fileOf(kit, path)).toBe('of the user\n');
  await kit.user('stash', '-q', '-a');
  const { commit } = await integrate();
  expect(await tip()).toBe(commit);
});

test('another branch checked out, a worktree, a bare repository, a detached head: only what must moves', async () => {
  await kit.user('checkout', '-q', '-b', 'mine');
  const { commit } = await integrate();
  expect(await tip()).toBe(commit);
  expect(await fileOf(kit, 'a.txt')).toBe('one\ntwo\nthree\n');
  await kit.user('update-ref', 'refs/heads/main', kit.base);
  const worktree = join(kit.folder, 'wörk tree');
  await kit.user('worktree', 'add', '-q', worktree, 'main');
  await integrate();
  expect((await exec(['git', '-C', worktree, 'status', '--porcelain'])).stdout).toBe('');
  expect((await exec(['cat', join(worktree, 'a.txt')])).stdout).toBe('mended\n');
  await kit.user('worktree', 'remove', worktree);
  await kit.user('checkout', '-q', '--detach', kit.base);
  await kit.user('update-ref', 'refs/heads/main', kit.base);
  await integrate();
  expect(await tip()).toBe(commit);
  expect(await fileOf(kit, 'a.txt')).toBe('one\ntwo\nthree\n');
  const bare = join(kit.folder, 'bare.git');
  await kit.user('clone', '-q', '--bare', '.', bare);
  await exec(['git', '-C', bare, 'update-ref', 'refs/heads/main', kit.base]);
  await kit.changes.integrate({ ...kit.project, path: bare }, 'T1', approved, kit.base, 'm');
  expect((await exec(['git', '-C', bare, 'rev-parse', 'main'])).stdout.trim()).toBe(commit);
});

test('a repository shared with jj: the bookmark moves, no divergence', async () => {
  const env = { ...kit.userEnv, JJ_CONFIG: '/dev/null' };
  const inUser = async (...args: string[]) => (await exec([jj, ...args], { cwd: kit.project.path, env })).stdout.trim();
  await inUser('git', 'init', '--colocate', '.');
  const { commit } = await integrate();
  const shown = await inUser(
    'log',
    '--no-graph',
    '-r',
    'main',
    '-T',
    'commit_id ++ change_id ++ if(divergent, "!", "")',
  );
  expect(shown).toBe(`${commit}${changeId}`);
});

test('the base moved, no identity, a rebase in progress: refused with what to do', async () => {
  await writeFile(join(kit.folder, 'home/.gitconfig'), '');
  await expect(integrate()).rejects.toMatchObject({ code: 'refused', remedy: expect.stringContaining('user.email') });
  await nothingMoved();
  await writeFile(join(kit.folder, 'home/.gitconfig'), '[user]\n\tname = A\n\temail = a@b\n');
  await mkdir(join(kit.project.path, '.git/rebase-merge'));
  await write('.git/rebase-merge/head-name', 'refs/heads/main\n');
  await kit.user('checkout', '-q', '--detach');
  await expect(integrate()).rejects.toMatchObject({ code: 'change_conflict' });
  await rm(join(kit.project.path, '.git/rebase-merge'), { recursive: true });
  await kit.user('checkout', '-q', 'main');
  await nothingMoved();
  await kit.user('commit', '-q', '--allow-empty', '-m', 'moved');
  await expect(integrate()).rejects.toMatchObject({ code: 'stale_commit' });
  const { tip: newBase } = await kit.changes.sync(kit.project);
  const moved = await kit.changes.rebase('shop', 'T1', newBase);
  if (!('head' in moved)) throw new Error('conflict');
  expect(moved.equalPatch).toBe(true);
  const { commit } = await kit.changes.integrate(kit.project, 'T1', moved.head, newBase, 'm');
  expect(await tip()).toBe(commit);
});

test('no hook of the user runs', async () => {
  for (const hook of ['post-merge', 'reference-transaction', 'pre-merge-commit', 'post-checkout', 'update']) {
    await mkdir(join(kit.project.path, '.git/hooks'), { recursive: true });
    await writeFile(join(kit.project.path, '.git/hooks', hook), `#!/bin/sh\ntouch ../ran\n`, { mode: 0o755 });
  }
  await kit.user('config', 'core.fsmonitor', `touch ${kit.folder}/ran`);
  await kit.changes.inspect(kit.project.path);
  await integrate();
  await expect(exec(['test', '-e', join(kit.folder, 'ran')])).rejects.toThrow();
});

test('git cut off while it wrote the files: the next call goes on', async () => {
  await write('a.txt', 'mended\n');
  await mkdir(join(kit.project.path, 'new'));
  await write('new/file.txt', 'new\n');
  const { commit } = await integrate();
  expect(await tip()).toBe(commit);
  expect(await kit.user('status', '--porcelain')).toBe('');
});
