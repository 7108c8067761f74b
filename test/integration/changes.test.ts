import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createExec } from '../../src/lib/exec.ts';
import { createKit, installJj, type Kit, oneChangePerTask } from './changes-kit.ts';

let jj: string;
let kit: Kit;
beforeAll(async () => {
  jj = await installJj();
});
beforeEach(async () => {
  kit = await createKit(jj);
});
afterEach(() => kit[Symbol.asyncDispose]());

test('startChange makes one jj change with its bookmark, once', async () => {
  const first = await kit.changes.startChange('shop', 'T1', kit.base, 'Mend the sum');
  const again = await kit.changes.startChange('shop', 'T1', kit.base, 'another title');
  expect(again).toEqual(first);
  expect(await kit.jjLog('change_id ++ " " ++ bookmarks ++ " " ++ description.first_line()')).toEqual([
    `${first.changeId} ralph/T1 Mend the sum`,
  ]);
  expect(await kit.host('cat-file', 'commit', first.head)).toContain(`change-id ${first.changeId}`);
});

test('git fetch in the user checkout shows the live change, and a push is refused', async () => {
  const { head } = await kit.changes.startChange('shop', 'T1', kit.base, 'x');
  await kit.user('remote', 'add', 'ralph', join(kit.folder, 'state/repos/shop/git'));
  await kit.user('config', 'remote.ralph.fetch', '+refs/heads/ralph/*:refs/remotes/ralph/*');
  await kit.user('fetch', '-q', 'ralph');
  expect(await kit.user('rev-parse', 'refs/remotes/ralph/T1')).toBe(head);
  await expect(kit.user('push', 'ralph', 'main:refs/heads/ralph/T1', '--force')).rejects.toThrow('hidden ref');
});

test('saved work becomes the one change; the same again changes nothing', async () => {
  const { changeId, head } = await kit.changes.startChange('shop', 'T1', kit.base, 'Mend');
  const ws = await kit.workspace();
  await ws.write('src/code.js', 'export const n = 2;\n');
  await ws.write('new file.txt', 'neu\n');
  const bundle = await ws.bundle();
  const saved = await kit.changes.importSaved('shop', 'T1', kit.base, bundle);
  expect(saved).toMatchObject({ changed: true, files: 2, leftOut: [] });
  expect(saved.head).not.toBe(head);
  const again = await kit.changes.importSaved('shop', 'T1', kit.base, bundle);
  expect(again).toEqual({ ...saved, changed: false });
  expect(await oneChangePerTask(kit)).toEqual([changeId]);
  expect(await kit.host('log', '-1', '--format=%P %s %an', saved.head)).toBe(`${kit.base} Mend ralph-fleet`);
  expect(await kit.changes.readFile('shop', saved.head, 'src/code.js')).toBe('export const n = 2;\n');
  expect(await kit.changes.readFile('shop', saved.head, 'none')).toBeNull();
  expect(await kit.changes.readFile('shop', saved.head, 'src')).toBeNull();
  expect((await kit.host('for-each-ref', 'refs/rf/agent/T1')).split('\n')).toHaveLength(1);
});

test('rewind puts the change back, keeps what it takes back as a branch, and says the same again', async () => {
  const { changeId } = await kit.changes.startChange('shop', 'T1', kit.base, 'Mend');
  const ws = await kit.workspace();
  const saved: string[] = [];
  for (const n of [2, 3]) {
    await ws.write('src/code.js', `export const n = ${n};\n`);
    saved.push((await kit.changes.importSaved('shop', 'T1', kit.base, await ws.bundle())).head);
  }
  const [second = '', third = ''] = saved;
  const way = { from: third, to: second };
  const done = await kit.changes.rewind('shop', 'T1', way);
  expect(done).toEqual({ head: second, base: kit.base, kept: 'ralph/T1-rewound-1' });
  // As after a kill behind its last step.
  expect(await kit.changes.rewind('shop', 'T1', way)).toEqual(done);
  expect(await kit.host('rev-parse', 'refs/heads/ralph/T1')).toBe(second);
  expect(await kit.host('show', 'ralph/T1-rewound-1:src/code.js')).toBe('export const n = 3;');
  expect(await kit.host('for-each-ref', '--format=%(refname)', 'refs/heads')).toBe(
    'refs/heads/ralph/T1\nrefs/heads/ralph/T1-rewound-1',
  );
  const seen = await kit.jjLog('change_id ++ " " ++ bookmarks ++ " " ++ divergent');
  expect(seen.toSorted()).toEqual(seen.filter((line) => line.endsWith('false')).toSorted());
  expect(seen).toContain(`${changeId} ralph/T1 false`);
  expect(seen).toHaveLength(2);
  // Work goes on from there, on the one change.
  await ws.write('src/code.js', 'export const n = 4;\n');
  const next = await kit.changes.importSaved('shop', 'T1', kit.base, await ws.bundle());
  const all = await kit.changes.rewind('shop', 'T1', { from: next.head, to: kit.base });
  expect(all).toEqual({ head: null, base: kit.base, kept: 'ralph/T1-rewound-2' });
  expect(await kit.host('diff', '--stat', kit.base, 'ralph/T1')).toBe('');
  expect((await kit.changes.startChange('shop', 'T1', kit.base, 'Mend')).changeId).toBe(changeId);
  expect(await kit.changes.rewind('shop', 'T1', { from: null, to: kit.base })).toMatchObject({
    head: null,
    kept: null,
  });
});

test('rewind goes only where the change has been', async () => {
  await kit.changes.startChange('shop', 'T1', kit.base, 'Mend');
  const { head } = await kit.changes.startChange('shop', 'T2', kit.base, 'Another');
  const to = (commit: string, task = 'T1') => kit.changes.rewind('shop', task, { from: null, to: commit });
  await expect(to(head)).rejects.toMatchObject({ code: 'usage' });
  await expect(to('f'.repeat(40))).rejects.toMatchObject({ code: 'not_found' });
  await expect(to('main')).rejects.toMatchObject({ code: 'usage' });
  await expect(to(kit.base, 'T9')).rejects.toMatchObject({ code: 'not_found' });
});

test('two commits of one tree are the same work: to and fro is known by the tree', async () => {
  await kit.changes.startChange('shop', 'T1', kit.base, 'Mend');
  const ws = await kit.workspace();
  const saved = [];
  for (const n of [2, 3, 2, 3]) {
    await ws.write('src/code.js', `export const n = ${n};\n`);
    saved.push(await kit.changes.importSaved('shop', 'T1', kit.base, await ws.bundle()));
  }
  const [first, second, third, fourth] = saved.map(({ tree }) => tree);
  expect([third, fourth]).toEqual([first, second]);
  expect(second).not.toBe(first);
  expect(await kit.host('rev-parse', `${saved[3]?.head}^{tree}`)).toBe(second);
  expect(saved.map(({ changed }) => changed)).toEqual([true, true, true, true]);
});

test('however the agent commits, it is one change, and its own commits are kept', async () => {
  const { changeId } = await kit.changes.startChange('shop', 'T1', kit.base, 'Mend');
  const ws = await kit.workspace();
  const save = async () => kit.changes.importSaved('shop', 'T1', kit.base, await ws.bundle());
  await ws.write('a.txt', 'step 1\n');
  await ws.git('commit', '-qam', 'agent 1');
  await save();
  await ws.write('a.txt', 'step 2\n');
  await ws.git('commit', '-qa', '--amend', '-m', 'agent 1 amended');
  const amended = await save();
  const own = await ws.git('rev-parse', 'HEAD');
  await ws.git('checkout', '-q', '-b', 'side', kit.base);
  await ws.write('side.txt', 'side\n');
  await ws.git('add', '-A');
  await ws.git('commit', '-qm', 'side');
  await ws.git('merge', '-q', '--no-edit', 'work');
  const merged = await save();
  await ws.git('checkout', '-q', '--orphan', 'lone');
  await ws.write('lone.txt', 'x');
  await ws.git('add', '-A');
  await ws.git('commit', '-qm', 'orphan');
  const orphan = await kit.changes.importSaved(
    'shop',
    'T1',
    kit.base,
    await ws.bundle(await ws.git('rev-parse', 'HEAD')),
  );
  await ws.git('checkout', '-q', '-f', '--detach', kit.base);
  const nothing = await save();
  expect([amended.files, merged.files, orphan.files, nothing.files]).toEqual([1, 2, 3, 0]);
  expect(nothing.changed).toBe(true); // the work was taken back by the agent; it is kept under refs/rf/agent
  expect(await oneChangePerTask(kit)).toEqual([changeId]);
  const kept = await kit.host('log', '--format=%H', '--glob=refs/rf/agent/T1');
  expect(kept).toContain(own);
});

test('two tasks and several calls at once', async () => {
  const [a, b] = await Promise.all([
    kit.changes.startChange('shop', 'T1', kit.base, 'a'),
    kit.changes.startChange('shop', 'T2', kit.base, 'b'),
  ]);
  const [wa, wb] = await Promise.all([kit.workspace('wa'), kit.workspace('wb')]);
  await wa.write('a.txt', 'A');
  await wb.write('a.txt', 'B');
  const [ba, bb] = await Promise.all([wa.bundle(), wb.bundle()]);
  const save = (task: string, file: string) => kit.changes.importSaved('shop', task, kit.base, file);
  await Promise.all([save('T1', ba), save('T2', bb), save('T1', ba)]);
  expect((await oneChangePerTask(kit)).sort()).toEqual([a.changeId, b.changeId].sort());
});

test('any sequence of saves leaves one change with the last tree', async () => {
  const { changeId } = await kit.changes.startChange('shop', 'T1', kit.base, 'Mend');
  const ws = await kit.workspace();
  const step = fc.record({
    text: fc.constantFrom('x', 'y', 'z'),
    how: fc.constantFrom('dirty', 'commit', 'amend', 'reset'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
      for (const { text, how } of steps) {
        if (how === 'reset') await ws.git('reset', '-q', '--hard', kit.base);
        await ws.write('a.txt', text);
        const commit = ['commit', '-qa', '--allow-empty', '-m', text];
        if (how === 'commit') await ws.git(...commit);
        if (how === 'amend' && (await ws.git('rev-parse', 'HEAD')) !== kit.base) await ws.git(...commit, '--amend');
        const saved = await kit.changes.importSaved('shop', 'T1', kit.base, await ws.bundle());
        expect(await kit.changes.readFile('shop', saved.head, 'a.txt')).toBe(text);
        expect(await oneChangePerTask(kit)).toEqual([changeId]);
      }
    }),
    { numRuns: 12 },
  );
});

test('diff and files: renames, binary, odd names; .ralph/ is protected', async () => {
  await kit.changes.startChange('shop', 'T1', kit.base, 'Mend');
  const ws = await kit.workspace();
  await ws.git('mv', 'a.txt', 'b é.txt');
  await ws.write('bin', Uint8Array.from([0, 1, 2, 255]));
  await ws.write('.ralph/project.yaml', 'version: 1\n');
  await rm(join(ws.folder, 'test/code.test.js'));
  const { head } = await kit.changes.importSaved('shop', 'T1', kit.base, await ws.bundle());
  expect(await kit.changes.files('shop', kit.base, head, ['test/**'])).toEqual([
    { path: '.ralph/project.yaml', status: 'added', added: 1, deleted: 0, isProtected: true },
    { path: 'b é.txt', status: 'renamed', added: 0, deleted: 0, isProtected: false },
    { path: 'bin', status: 'added', added: null, deleted: null, isProtected: false },
    { path: 'test/code.test.js', status: 'deleted', added: 0, deleted: 1, isProtected: true },
  ]);
  expect(await kit.changes.diff('shop', kit.base, head)).toContain('rename to b é.txt');
});

test('restoreProtected puts the judges back and nothing else', async () => {
  await kit.changes.startChange('shop', 'T1', kit.base, 'Mend');
  const ws = await kit.workspace();
  await ws.write('src/code.js', 'export const n = 2;\n');
  await rm(join(ws.folder, 'test'), { recursive: true });
  await ws.write('test', 'a file in the place of the folder\n');
  await ws.write('.hidden/x.test.js', 'new test');
  await ws.write('.ralph/project.yaml', 'checks: []\n');
  const { head } = await kit.changes.importSaved('shop', 'T1', kit.base, await ws.bundle());
  const patterns = ['test/**', '**/*.test.*'];
  const restored = await kit.changes.restoreProtected('shop', kit.base, head, patterns);
  expect(await kit.changes.restoreProtected('shop', kit.base, head, patterns)).toBe(restored);
  expect((await kit.changes.files('shop', kit.base, restored, [])).map((f) => f.path)).toEqual(['src/code.js']);
  expect(await kit.changes.restoreProtected('shop', kit.base, restored, patterns)).toBe(restored);
  const bundle = await kit.changes.bundle('shop', restored);
  expect(await kit.host('bundle', 'list-heads', bundle)).toContain(restored);
});

test('rebase: an equal patch, another patch, a conflict', async () => {
  const { changeId } = await kit.changes.startChange('shop', 'T1', kit.base, 'Mend');
  const ws = await kit.workspace();
  await ws.write('a.txt', 'one\ntwo\nTHREE\n');
  const { head } = await kit.changes.importSaved('shop', 'T1', kit.base, await ws.bundle());
  const advance = async (path: string, text: string) => {
    await writeFile(join(kit.project.path, path), text);
    await kit.user('add', '-A');
    await kit.user('commit', '-qm', path);
    return (await kit.changes.sync(kit.project)).tip;
  };
  expect(await kit.changes.rebase('shop', 'T1', kit.base)).toEqual({ head, equalPatch: true });
  const elsewhere = await advance('other.txt', 'x\n');
  const equal = await kit.changes.rebase('shop', 'T1', elsewhere);
  expect(equal).toMatchObject({ equalPatch: true });
  const sameFile = await advance('a.txt', 'zero\none\ntwo\nthree\n');
  const shifted = await kit.changes.rebase('shop', 'T1', sameFile);
  expect(shifted).toMatchObject({ equalPatch: false }); // its context has another line now
  const conflicting = await advance('a.txt', 'zero\none\ntwo\n3\n');
  expect(await kit.changes.rebase('shop', 'T1', conflicting)).toEqual({ conflict: ['a.txt'] });
  expect(await kit.host('rev-parse', 'refs/heads/ralph/T1')).toBe('head' in shifted ? shifted.head : '');
  expect(await oneChangePerTask(kit)).toEqual([changeId]);
});

test('hashPaths follows content, not commits', async () => {
  await kit.changes.startChange('shop', 'T1', kit.base, 'Mend');
  const ws = await kit.workspace();
  await ws.write('src/code.js', 'changed');
  const { head } = await kit.changes.importSaved('shop', 'T1', kit.base, await ws.bundle());
  const hash = (commit: string, ...paths: string[]) => kit.changes.hashPaths('shop', commit, paths);
  expect(await hash(head, 'a.txt', 'none')).toBe(await hash(kit.base, 'none', 'a.txt'));
  expect(await hash(head, 'src/code.js')).not.toBe(await hash(kit.base, 'src/code.js'));
});

test('inspect', async () => {
  const { inspect } = kit.changes;
  const at = (name: string) => join(kit.folder, name);
  const clean = {
    isRepository: true,
    dirty: false,
    branch: 'main',
    tip: kit.base,
    userName: 'Ada Lövelace',
    badNames: [],
  };
  expect(await inspect(kit.project.path)).toMatchObject({ ...clean, userEmail: 'ada@example.org', isBare: false });
  expect(await inspect(at('nowhere'))).toMatchObject({ isRepository: false });
  await mkdir(at('plain'));
  expect(await inspect(at('plain'))).toMatchObject({ isRepository: false });
  await kit.user('clone', '-q', '--bare', '.', at('bare'));
  expect(await inspect(at('bare'))).toMatchObject({ isBare: true, dirty: false });
  await kit.user('init', '-q', at('empty'));
  expect(await inspect(at('empty'))).toMatchObject({ isRepository: true, tip: null });
  await expect(kit.changes.sync({ name: 'e', path: at('empty'), branch: 'main' })).rejects.toThrow('no commit');
  await writeFile(join(kit.project.path, 'a.txt'), 'dirty');
  await writeFile(join(kit.project.path, '.gitattributes'), '*.bin filter=lfs diff=lfs\n');
  await symlink('/etc/passwd', join(kit.project.path, 'link'));
  await writeFile(Buffer.concat([Buffer.from(`${kit.project.path}/bad`), Buffer.from([0xff])]), 'x');
  expect(await inspect(kit.project.path)).toMatchObject({ dirty: true });
  await kit.user('update-index', '--add', '--cacheinfo', `160000,${kit.base},sub`);
  await kit.user('add', '-A', '--', '.', ':!sub');
  await kit.user('commit', '-qm', 'odd');
  await kit.user('checkout', '-q', '--detach');
  const odd = { branch: null, usesLfs: true, hasSubmodules: true, badNames: ['"bad\\377"'] };
  expect(await inspect(kit.project.path)).toMatchObject(odd);
  await kit.user('clone', '-q', '--depth=1', `file://${kit.project.path}`, at('shallow'));
  expect(await inspect(at('shallow'))).toMatchObject({ isShallow: true });
  await expect(kit.changes.sync({ name: 's', path: at('shallow'), branch: 'main' })).rejects.toThrow('shallow');
  await writeFile(join(kit.folder, 'home/.gitconfig'), '');
  expect(await inspect(kit.project.path)).toMatchObject({ userName: null, userEmail: null });
});

test('names that are no names, and what is not there', async () => {
  const { changes } = kit;
  for (const task of ['../x', 'a/b', '', '-x', 'a..b', 'a.lock', 'a b', 'ä']) {
    await expect(changes.startChange('shop', task, kit.base, 't')).rejects.toMatchObject({ code: 'usage' });
    await expect(changes.sync({ ...kit.project, name: task })).rejects.toMatchObject({ code: 'usage' });
  }
  await expect(changes.startChange('shop', 'T1', 'f'.repeat(40), 't')).rejects.toMatchObject({ code: 'not_found' });
  await expect(changes.bundle('shop', '--all')).rejects.toMatchObject({ code: 'usage' });
  await expect(changes.diff('shop', '--output=/tmp/x', kit.base)).rejects.toMatchObject({ code: 'usage' });
  await expect(changes.diff('none', kit.base, kit.base)).rejects.toMatchObject({ code: 'not_found' });
  await expect(changes.sync({ ...kit.project, branch: '--upload-pack=x' })).rejects.toMatchObject({
    code: 'not_found',
  });
  await expect(
    changes.importSaved(
      'shop',
      'T9',
      kit.base,
      await (await kit.workspace()).bundle(kit.base).catch(() => '/dev/null'),
    ),
  ).rejects.toThrow();
});

test('the host repository has no hooks, no working files and no configuration of the user', async () => {
  const hooks = join(kit.folder, 'home/hooks');
  await mkdir(hooks);
  await writeFile(join(hooks, 'reference-transaction'), `#!/bin/sh\ntouch ${kit.folder}/hook-ran\n`, { mode: 0o755 });
  await writeFile(join(kit.folder, 'home/.gitconfig'), `[core]\n\thooksPath = ${hooks}\n`);
  await kit.changes.startChange('shop', 'T1', kit.base, 'x');
  const exec = createExec();
  const found = await exec(['find', join(kit.folder, 'state'), '-name', 'hooks', '-o', '-name', 'a.txt']);
  expect(found.stdout).toBe('');
  await expect(exec(['test', '-e', join(kit.folder, 'hook-ran')])).rejects.toThrow();
});
