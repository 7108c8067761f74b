import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Guests } from '../../../src/guest/guest.ts';
import { exec, type LocalGuest, startLocalGuest } from './fixture.ts';

let guest: LocalGuest;
let guests: Guests;
let origin: string;
let base: string;
let next: string;
let work: string;
const user = 'nobody';

const gitEnv = {
  PATH: '/usr/bin:/bin',
  GIT_CONFIG_GLOBAL: '/dev/null',
  HOME: '/nonexistent',
  GIT_ALLOW_PROTOCOL: 'file',
};
const identity = ['-c', 'user.name=T', '-c', 'user.email=t@example', '-c', 'safe.directory=*'];
const git = async (dir: string, ...args: string[]) =>
  (await exec(['git', '-C', dir, ...identity, ...args], { env: gitEnv })).stdout.trim();
const asUser = (line: string) =>
  exec(['setpriv', '--reuid', user, '--regid', 'nogroup', '--clear-groups', 'sh', '-ec', `cd '${work}'; ${line}`], {
    env: {
      ...gitEnv,
      GIT_AUTHOR_NAME: 'A',
      GIT_AUTHOR_EMAIL: 'a@a',
      GIT_COMMITTER_NAME: 'A',
      GIT_COMMITTER_EMAIL: 'a@a',
    },
  });

async function bundle(commit: string): Promise<string> {
  const file = join(guest.root, `${commit}.bundle`);
  await git(origin, 'update-ref', 'refs/heads/out', commit);
  await git(origin, 'bundle', 'create', '-q', file, 'refs/heads/out');
  return file;
}
const seed = async (commit: string, folder = 'work') =>
  guests.seedWorkspace(guest.address, { bundleFile: await bundle(commit), commit, folder, user });

/** Saves, and takes the bundle into the origin as the host's repository would. */
async function save(maxBytes = 50_000_000) {
  const targetFile = join(guest.root, 'saved.bundle');
  const report = await guests.save(guest.address, { folder: 'work', user, base, targetFile, maxBytes });
  await git(origin, 'fetch', '-q', targetFile, '+refs/ralph/saved:refs/saved');
  const names = await git(origin, 'diff', '--name-status', base, 'refs/saved');
  return { report, names: names.split('\n').filter((line) => line !== ''), targetFile };
}

beforeAll(async () => {
  guest = await startLocalGuest(user);
  guests = guest.daemon();
  origin = join(guest.root, 'origin');
  work = join(guest.root, 'home', user, 'work');
  await mkdir(origin);
  await git(origin, 'init', '-q', '-b', 'main');
  await writeFile(join(origin, '.gitignore'), 'node_modules\n');
  await writeFile(join(origin, 'a.txt'), 'one\n');
  await writeFile(join(origin, 'gone.txt'), 'bye\n');
  await git(origin, 'add', '-A');
  await git(origin, 'commit', '-qm', 'base');
  base = await git(origin, 'rev-parse', 'HEAD');
  await writeFile(join(origin, 'a.txt'), 'two\n');
  await git(origin, 'commit', '-qam', 'next');
  next = await git(origin, 'rev-parse', 'HEAD');
});
beforeEach(async () => {
  await rm(work, { recursive: true, force: true });
  await seed(base);
});
afterAll(() => guest?.close());

test('seed: on branch work, owned by the user, with an identity, without remotes', async () => {
  expect(await git(work, 'rev-parse', 'HEAD')).toBe(base);
  expect(await git(work, 'symbolic-ref', '--short', 'HEAD')).toBe('work');
  expect(await git(work, 'remote')).toBe('');
  expect(await git(work, 'config', '--local', 'user.name')).toBe('Ralph');
  expect((await stat(join(work, 'a.txt'))).uid).toBe(65534);
});

test('seed again: the new commit, no leftovers, ignored files kept; also when root left files behind', async () => {
  await mkdir(join(work, 'node_modules/x'), { recursive: true });
  await writeFile(join(work, 'node_modules/x/index.js'), 'kept');
  await asUser('echo dirty >a.txt; echo new >new.txt; echo lock >.git/index.lock');
  await mkdir(join(work, 'roots'));
  await writeFile(join(work, 'roots/file'), 'root');
  await seed(next);
  expect(await readFile(join(work, 'a.txt'), 'utf8')).toBe('two\n');
  expect((await readdir(work)).sort()).toEqual(['.git', '.gitignore', 'a.txt', 'gone.txt', 'node_modules']);
  await seed(next, 'verify2');
  const second = join(guest.root, 'home', user, 'verify2');
  expect(await readFile(join(second, 'node_modules/x/index.js'), 'utf8')).toBe('kept');
  expect(await git(second, 'rev-parse', 'HEAD')).toBe(next);
  await rm(second, { recursive: true });
});

test('seed over a broken repository, a file, a link: a fresh checkout', async () => {
  for (const ruin of [
    'rm -rf .git/objects .git/refs; echo x >.git/HEAD',
    'cd ..; rm -rf work; echo x >work',
    'cd ..; rm -rf work; ln -s /etc work',
  ]) {
    await asUser(ruin);
    await seed(next);
    expect(await git(work, 'status', '--porcelain')).toBe('');
    expect(await git(work, 'rev-parse', 'HEAD')).toBe(next);
  }
});

test('seed: a bundle that is cut, a commit it does not hold, hostile names', async () => {
  const cut = join(guest.root, 'cut.bundle');
  await writeFile(cut, (await readFile(await bundle(next))).subarray(0, 200));
  const ask = (more: object) =>
    guests.seedWorkspace(guest.address, { bundleFile: cut, commit: next, folder: 'work', user, ...more });
  await expect(ask({})).rejects.toMatchObject({ code: 'storage' });
  await expect(ask({ commit: 'f'.repeat(40), bundleFile: await bundle(next) })).rejects.toMatchObject({
    code: 'not_found',
  });
  for (const bad of [{ folder: '../x' }, { folder: '$(id)' }, { commit: '--upload-pack=x' }, { user: 'root;id' }]) {
    await expect(ask(bad)).rejects.toMatchObject({ code: 'bug' });
  }
  expect(await git(work, 'rev-parse', 'HEAD')).toBe(base);
});

test('save: changed, new, deleted, odd names; ignored not; the index and HEAD of the agent untouched', async () => {
  await asUser(
    `echo changed >a.txt; rm gone.txt; mkdir -p d/e node_modules; echo n >"d/e/ü \\"q\\" 'x'"; printf x >"$(printf 'line\\nbreak')"; echo i >node_modules/i; echo s >staged; git add staged`,
  );
  const before = await readFile(join(work, '.git/index'));
  const { report, names } = await save();
  expect(report).toMatchObject({ files: 5, leftOut: [] });
  expect(names).toEqual([
    'M\ta.txt',
    'A\t"d/e/\\303\\274 \\"q\\" \'x\'"',
    'D\tgone.txt',
    'A\t"line\\nbreak"',
    'A\tstaged',
  ]);
  expect(await git(origin, 'rev-parse', 'refs/saved^')).toBe(base);
  expect(await readFile(join(work, '.git/index'))).toEqual(before);
  expect(await git(work, 'for-each-ref', '--format=%(refname)')).toBe('refs/heads/work');
  const first = await git(origin, 'rev-parse', 'refs/saved');
  await save();
  expect(await git(origin, 'rev-parse', 'refs/saved')).toBe(first);
});

test('save: nothing changed is still a bundle', async () => {
  const { report, names } = await save();
  expect([report.files, names]).toEqual([0, []]);
});

test('save: the commits of the agent are kept; a history that is not from the base is not', async () => {
  await asUser(
    'echo c1 >a.txt; git commit -qam one; echo c2 >b.txt; git add b.txt; git commit -qm two; echo open >c.txt',
  );
  await save();
  expect(await git(origin, 'log', '--format=%s', `${base}..refs/saved`)).toBe('Saved by ralph-fleet\ntwo\none');
  await asUser('git checkout -q --orphan other; git commit -qm orphan');
  expect((await save()).names).toEqual(['M\ta.txt', 'A\tb.txt', 'A\tc.txt']);
  expect(await git(origin, 'rev-parse', 'refs/saved^')).toBe(base);
});

test('save: a repository that the agent deleted or made anew', async () => {
  await asUser('rm -rf .git; echo still >a.txt');
  expect((await save()).names).toEqual(['M\ta.txt']);
  await asUser('git init -q .; git add -A; git commit -qm mine');
  expect((await save()).names).toEqual(['M\ta.txt']);
});

test('save: embedded repositories, large and unreadable files are listed, the rest is saved', async () => {
  await asUser(
    'git init -q empty; git init -q full; (cd full; echo x >f; git add f; git commit -qm x); mkdir dir; echo y >dir/y; truncate -s 60M big; echo s >secret; chmod 0 secret; mkfifo pipe',
  );
  const { report, names } = await save();
  expect(names).toEqual(['A\tdir/y']);
  expect(report.leftOut.map((name) => name.replace(/\/$/, '')).sort()).toEqual(['big', 'empty', 'full', 'secret']);
});

test('save: hooks, filters and configuration of the agent do not run', async () => {
  await asUser(`for h in pre-commit post-index-change reference-transaction; do printf '#!/bin/sh\\ntouch ${work}/ran' >.git/hooks/$h; chmod +x .git/hooks/$h; done;
    git config core.fsmonitor 'touch ${work}/ran; false'; git config core.hooksPath .git/hooks; git config filter.f.clean 'touch ${work}/ran'; echo '*.f filter=f' >.gitattributes; echo v >v.f`);
  const { names } = await save();
  expect(names).toEqual(['A\t.gitattributes', 'A\tv.f']);
  expect(await readdir(work)).not.toContain('ran');
});

test('save: too large, and no folder', async () => {
  await asUser('head -c 3000000 /dev/urandom >random');
  await expect(save(100_000)).rejects.toMatchObject({ code: 'too_large' });
  await expect(readFile(join(guest.root, 'saved.bundle.part'))).rejects.toThrow();
  const targetFile = join(guest.root, 'none.bundle');
  await expect(
    guests.save(guest.address, { folder: 'none', user, base, targetFile, maxBytes: 1e6 }),
  ).rejects.toMatchObject({ code: 'not_found' });
  expect((await save()).names).toEqual(['A\trandom']);
});

test('save while the agent writes', async () => {
  await guests.startJob(
    guest.address,
    guest.job('it-busy', {
      cwd: work,
      argv: ['sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i >f$((i%50)); rm -f f$(((i+7)%50)); git add -A; done'],
    }),
  );
  for (let i = 0; i < 5; i++) expect((await save()).report.leftOut.every((name) => name.startsWith('f'))).toBe(true);
  await guests.stopJob(guest.address, 'it-busy', 0);
});
