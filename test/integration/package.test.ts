import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { baseEnvironment, createExec } from '../../src/lib/exec.ts';

// What a user gets from the registry: packed, installed into an empty folder, run from built files.
const root = join(import.meta.dirname, '../..');
const exec = createExec();
const inherited = baseEnvironment();
let folder: string;
let env: Record<string, string>;
let files: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ralph-fleet-package-'));
  env = {
    ...inherited,
    ...(process.env['NODE_EXTRA_CA_CERTS'] ? { NODE_EXTRA_CA_CERTS: process.env['NODE_EXTRA_CA_CERTS'] } : {}),
    PATH: `${dirname(process.execPath)}${delimiter}${inherited['PATH'] ?? ''}`,
  };
  const packed = await exec(['npm', 'pack', '--json', '--pack-destination', folder], { cwd: root, env });
  // Newer npm prints an object keyed by the package's name, older an array.
  const report = JSON.parse(packed.stdout.slice(packed.stdout.search(/^[[{]/m)));
  const [entry] = Object.values(report) as { filename: string; files: { path: string }[] }[];
  files = entry?.files.map((file) => file.path) ?? [];
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz')) ?? '';
  const install = [
    'npm',
    'install',
    '--prefix',
    join(folder, 'user'),
    '--no-audit',
    '--no-fund',
    join(folder, tarball),
  ];
  await exec(install, { cwd: folder, env, timeoutMs: 300_000 });
  // The user's state and cache of the test are empty and go with it.
  env = {
    ...env,
    HOME: join(folder, 'home'),
    XDG_STATE_HOME: '',
    XDG_CACHE_HOME: '',
    XDG_CONFIG_HOME: '',
    XDG_RUNTIME_DIR: '',
  };
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

it('holds what runs, and neither tests nor sources', () => {
  expect(files).toContain('dist/cli/bin.js');
  expect(files).toContain('scripts/setup');
  expect(files).toContain('telemetry/prometheus/alerts.yml');
  // The sample project's tests are part of the demo.
  expect(files.filter((path) => /^(?!demo\/).*\.test\.|^src\/|^test\//.test(path))).toEqual([]);
});

it('holds everything that is read at run time and is no TypeScript', async () => {
  const inside = async (folder: string) => {
    const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.ts'))
      .map((entry) => relative(root, join(entry.parentPath, entry.name)));
  };
  const beside = (await inside('src')).map((path) => path.replace(/^src\//, 'dist/'));
  expect(beside).toEqual(expect.arrayContaining(['dist/guest/scripts/ralph-iterate', 'dist/images/debian/customize']));
  const wanted = [...beside, ...(await inside('prompts')), ...(await inside('demo'))];
  expect(wanted.filter((path) => !files.includes(path))).toEqual([]);
  const scripts = beside.filter((path) => /\/ralph-[a-z]+$/.test(path));
  const packed = join(folder, 'user/node_modules/ralph-fleet');
  for (const path of scripts) {
    const { mode } = await stat(join(packed, path));
    expect([path, mode & 0o111]).toEqual([
      path,
      (await stat(join(root, path.replace(/^dist\//, 'src/')))).mode & 0o111,
    ]);
  }
});

it('says its version', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const { stdout, stderr } = await exec([join(folder, 'user/node_modules/.bin/ralph-fleet'), '--version'], { env });
  expect(stdout.trim()).toContain(version);
  expect(stderr).toBe('');
});

it('doctor reports every prerequisite; its exit code says whether `up` would work', async () => {
  const argv = [join(folder, 'user/node_modules/.bin/ralph-fleet'), 'doctor', '--json'];
  const { stdout, exitCode } = await exec(argv, { env, okExitCodes: [0, 4], timeoutMs: 120_000 });
  const report = JSON.parse(stdout);
  expect(report.checks.map((check: { id: string }) => check.id)).toEqual(
    expect.arrayContaining(['node', 'git', 'driver', 'memory']),
  );
  expect(report.checks.find((check: { id: string }) => check.id === 'node').state).toBe('ok');
  expect(exitCode).toBe(report.ready ? 0 : 4);
});
