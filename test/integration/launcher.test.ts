import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { baseEnvironment, createExec } from '../../src/lib/exec.ts';

// The shell scripts a user starts with, in a small checkout of their own: no packages, a command that prints its arguments.
const root = join(import.meta.dirname, '../..');
const exec = createExec();
let folder: string;
let env: Record<string, string>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ralph-fleet-launcher-'));
  await cp(join(root, 'scripts'), join(folder, 'scripts'), { recursive: true });
  await mkdir(join(folder, 'src/cli'), { recursive: true });
  await writeFile(join(folder, 'src/cli/bin.js'), 'console.log(JSON.stringify(process.argv.slice(2)));\n');
  const manifest = { name: 'x', version: '1.0.0', type: 'module', dependencies: { dep: 'file:dep' } };
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
  await mkdir(join(folder, 'dep'));
  await writeFile(join(folder, 'dep/package.json'), '{"name": "dep", "version": "1.0.0"}');
  const packages = { '': manifest, dep: { version: '1.0.0' }, 'node_modules/dep': { resolved: 'dep', link: true } };
  const lock = { name: 'x', version: '1.0.0', lockfileVersion: 3, requires: true, packages };
  await writeFile(join(folder, 'package-lock.json'), JSON.stringify(lock));
  env = { ...baseEnvironment(), XDG_CACHE_HOME: join(folder, 'cache'), HOME: join(folder, 'home'), TMPDIR: folder };
  await mkdir(join(folder, 'cache/ralph-fleet/tools'), { recursive: true });
  await writeFile(join(folder, 'cache/ralph-fleet/tools/node-path'), `${process.execPath}\n`);
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const launch = (...args: string[]) => exec([join(folder, 'scripts/ralph-fleet'), ...args], { env, cwd: tmpdir() });

describe('scripts/ralph-fleet', () => {
  it('installs the packages once, shows it, and hands every argument over as it is', async () => {
    const words = ['submit', 'a b', "it's; $(touch /tmp/x) `id` \\ *", ''];
    const first = await launch(...words);
    expect(JSON.parse(first.stdout)).toEqual(words);
    expect(first.stderr).toContain('npm packages');
    const second = await launch('--version');
    expect(second).toMatchObject({ stdout: '["--version"]\n', stderr: '' });
  });

  it('two at once install once, and both work', async () => {
    const both = await Promise.all([launch('a'), launch('b')]);
    expect(both.map(({ stdout }) => stdout)).toEqual(['["a"]\n', '["b"]\n']);
    expect(both.filter(({ stderr }) => stderr.includes('✓ npm packages'))).toHaveLength(1);
    expect(await readdir(folder)).not.toContain('node_modules.lock');
  });

  it.each([
    ['held the lock', '4194305\n'], // above every pid
    ['took the lock', ''],
  ])('goes on after a run that was killed as it %s', async (_when, pid) => {
    await mkdir(join(folder, 'node_modules.lock'));
    await writeFile(join(folder, 'node_modules.lock/pid'), pid);
    expect((await launch('a')).stdout).toBe('["a"]\n');
  });

  it('works through a symbolic link', async () => {
    await exec(['ln', '-s', join(folder, 'scripts/ralph-fleet'), join(folder, 'rf')]);
    expect((await exec([join(folder, 'rf'), 'x'], { env })).stdout).toBe('["x"]\n');
  });

  it('says what failed when the packages cannot be installed, and ends with a failure', async () => {
    await writeFile(join(folder, 'package-lock.json'), '{"half":');
    const failed = await exec([join(folder, 'scripts/ralph-fleet'), 'a'], { env, okExitCodes: [1] });
    expect(failed.stderr).toContain('✗ npm packages');
    expect(failed.stdout).toBe('');
  });
});

describe('scripts/setup', () => {
  const setup = (args: string[], okExitCodes = [0]) =>
    exec([join(folder, 'scripts/setup'), ...args], { env, okExitCodes });

  it('changes nothing on a dry run', async () => {
    const before = await readdir(folder, { recursive: true });
    const { stderr } = await setup(['--dry-run', '--for', 'test']);
    expect(stderr).toContain('dry run, nothing is changed');
    expect(await readdir(folder, { recursive: true })).toEqual(before);
  });

  it.each([[['--for', 'everything']], [['--wat']], [['--only', 'jj']], [['--for']]])('refuses %j', async (args) => {
    expect((await setup(args, [2])).stderr).toMatch(/^setup: /);
  });

  it('notes the node it chose, and the second run finds nothing to change', async () => {
    env['PATH'] = `${join(process.execPath, '..')}:${env['PATH']}`;
    await setup(['--only', 'node']);
    expect((await setup(['--only', 'node'])).stderr).toContain('Nothing to change');
    const noted = await readFile(join(folder, 'cache/ralph-fleet/tools/node-path'), 'utf8');
    expect(noted.trim()).toBe(process.execPath);
  });
});
