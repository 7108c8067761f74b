import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { createDemoProject } from '../../src/changes/demo-project.ts';
import { createExec } from '../../src/lib/exec.ts';
import { createKit, fileOf, installJj, type Kit, oneChangePerTask } from './changes-kit.ts';

const exec = createExec();
const child = join(import.meta.dirname, 'changes-child.ts');
let jj: string;
beforeAll(async () => {
  jj = await installJj();
});

/** Runs the child and kills it, with (`group`) or without its git and jj, after `seconds`. */
async function killed(
  kit: Kit,
  more: Record<string, unknown>,
  kill: { seconds: number; group: boolean },
): Promise<void> {
  const repos = join(kit.folder, 'state/repos');
  const wanted = { repos, jj, userEnv: kit.userEnv, base: kit.base, project: kit.project, ...more };
  const timeout = ['timeout', ...(kill.group ? [] : ['--foreground']), '-s', 'KILL', kill.seconds.toFixed(3)];
  await exec([...timeout, process.execPath, child, JSON.stringify(wanted)]).catch(() => {});
}

/** From before the child's first call to after its last, under light load. */
const moments = (n: number) => Array.from({ length: n }, (_, i) => 0.25 + (i * 1.2) / n + Math.random() * 0.05);

test('importSaved killed anywhere and made again ends the same', async () => {
  await using kit = await createKit(jj);
  const ws = await kit.workspace();
  const seen = new Set<string>();
  for (const [n, seconds] of moments(12).entries()) {
    await ws.write('a.txt', `round ${n}\n`);
    const bundle = await ws.bundle();
    await killed(kit, { bundle }, { seconds, group: true });
    const { changeId } = await kit.changes.startChange('shop', 'T1', kit.base, 'Mend');
    const saved = await kit.changes.importSaved('shop', 'T1', kit.base, bundle);
    seen.add(`${changeId}`);
    expect(await kit.changes.readFile('shop', saved.head, 'a.txt')).toBe(`round ${n}\n`);
    expect(await oneChangePerTask(kit)).toEqual([changeId]);
    expect((await kit.changes.importSaved('shop', 'T1', kit.base, bundle)).changed).toBe(false);
  }
  expect(seen.size).toBe(1);
});

test('integrate killed anywhere and made again puts one commit on the branch', async () => {
  for (const seconds of moments(8)) {
    await using kit = await createKit(jj);
    await kit.changes.startChange('shop', 'T1', kit.base, 'Mend');
    const ws = await kit.workspace();
    await ws.write('a.txt', 'mended\n');
    const { head: approved } = await kit.changes.importSaved('shop', 'T1', kit.base, await ws.bundle());
    await killed(kit, { approved }, { seconds, group: false });
    const before = await kit.user('rev-parse', 'main');
    const { commit } = await kit.changes.integrate(kit.project, 'T1', approved, kit.base, 'Mend');
    if (before !== kit.base) expect(commit).toBe(before);
    expect(await kit.user('rev-list', '--count', 'main')).toBe('2');
    expect(await kit.user('status', '--porcelain')).toBe('');
    expect(await fileOf(kit, 'a.txt')).toBe('mended\n');
    await oneChangePerTask(kit);
  }
});

test('the demo project: one commit, a failing test, mended by the scenario of the demo', async () => {
  await using kit = await createKit(jj);
  const target = join(kit.folder, 'demo');
  const source = join(import.meta.dirname, '../../demo/project');
  const deps = { exec, source, userEnv: kit.userEnv };
  await createDemoProject(deps, target);
  await createDemoProject(deps, target);
  expect(await kit.changes.inspect(target)).toMatchObject({ branch: 'main', dirty: false, userName: 'Ada Lövelace' });
  const { stdout } = await exec(['git', '-C', target, 'log', '--format=%an %s']);
  expect(stdout).toBe('Ada Lövelace A sample project with failing tests\n');
  const tests = await exec([process.execPath, '--test'], { cwd: target, okExitCodes: [0, 1] });
  expect(tests.exitCode).toBe(1);
  const nobody = { ...kit.userEnv, HOME: '/nonexistent', XDG_CONFIG_HOME: '/nonexistent' };
  await createDemoProject({ ...deps, userEnv: nobody }, join(kit.folder, 'demo 2'));
  expect(await kit.changes.inspect(join(kit.folder, 'demo 2'))).toMatchObject({ userName: 'ralph-fleet demo' });
  await mkdir(join(kit.folder, 'taken/x'), { recursive: true });
  await expect(createDemoProject(deps, join(kit.folder, 'taken'))).rejects.toMatchObject({ code: 'refused' });
  const task = JSON.parse(await readFile(join(source, '../ralph.json'), 'utf8')).tasks[0];
  for (const { backpressure } of task.acceptance_criteria) {
    const check = await exec(['sh', '-c', backpressure], { cwd: target, okExitCodes: [0, 1] });
    expect(check.exitCode).toBe(1);
  }
});
