/** `npm run check`: everything about the code that needs no VM, side by side; a table of times; under a minute. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { dashboardFiles } from './dashboards.ts';
import { metricsPage, metricsPagePath } from './metrics-page.ts';

const root = join(import.meta.dirname, '..');
const run = promisify(execFile);

interface Part {
  name: string;
  check(): Promise<string>;
}

/** A program of node_modules, run with this node; what it prints is shown only when it fails. */
function tool(name: string, argv: string[]): Part {
  return { name, check: () => runTool(argv) };
}

async function runTool([program = '', ...args]: string[]): Promise<string> {
  const path = join(root, 'node_modules/.bin', program);
  try {
    await run(path, args, { cwd: root, maxBuffer: 64 * 1024 * 1024 });
    return '';
  } catch (error) {
    const { stdout = '', stderr = '', message = '' } = error as { stdout?: string; stderr?: string; message?: string };
    return `${stdout}${stderr}`.trim() || message;
  }
}

async function trackedFiles(): Promise<string[]> {
  const { stdout } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: root });
  return stdout.split('\0').filter(Boolean);
}

const maxLines = 400;
const maxTestLines = 600;

async function checkLengths(): Promise<string> {
  const files = (await trackedFiles()).filter((file) => /^(src|test|scripts)\/.*\.(ts|mts|js|mjs)$/.test(file));
  const long: string[] = [];
  for (const file of files) {
    const lines = (await readFile(join(root, file), 'utf8').catch(() => '')).split('\n').length - 1;
    const limit = file.startsWith('test/') || file.endsWith('.test.ts') ? maxTestLines : maxLines;
    if (lines > limit) long.push(`${file}: ${lines} lines, ${limit} allowed; cut it along its nouns`);
  }
  return long.join('\n');
}

/** A package mirror belongs to the machine, never to the project: which hosts those are, the machine's own settings say. */
async function mirrorHosts(): Promise<string[]> {
  const settings = [
    '/etc/apt/sources.list',
    '/etc/apt/sources.list.d/debian.sources',
    '/etc/apt/sources.list.d/ubuntu.sources',
  ];
  const texts = await Promise.all(settings.map((file) => readFile(file, 'utf8').catch(() => '')));
  const npm = await run('npm', ['config', 'get', 'registry']).catch(() => ({ stdout: '' }));
  const urls = [...texts, npm.stdout].flatMap((text) => text.match(/https?:\/\/[^\s/]+/g) ?? []);
  return [...new Set(urls.map((url) => new URL(url).hostname))].filter((host) => host.includes('.'));
}

async function checkHosts(): Promise<string> {
  const hosts = await mirrorHosts();
  const found: string[] = [];
  for (const file of await trackedFiles()) {
    const text = await readFile(join(root, file), 'utf8').catch(() => '');
    text.split('\n').forEach((line, at) => {
      if (hosts.some((host) => line.includes(host))) found.push(`${file}:${at + 1}: names a package registry's host`);
    });
  }
  return found.join('\n');
}

/** What is written by a program and kept in the project says what that program says now. */
async function checkGenerated(): Promise<string> {
  const there = await readFile(join(root, metricsPagePath), 'utf8').catch(() => '');
  const page =
    there === metricsPage() ? [] : [`${metricsPagePath} is not current: node scripts/metrics-page.ts --write`];
  const stale: string[] = [];
  for (const [path, text] of dashboardFiles())
    if ((await readFile(join(root, path), 'utf8').catch(() => '')) !== text)
      stale.push(`${path} is not current: npm run dashboards`);
  return [...page, ...stale].join('\n');
}

const withoutUnit = process.argv.includes('--no-unit');
const parts: Part[] = [
  tool('types', ['tsc', '--noEmit', '--incremental', '--tsBuildInfoFile', 'node_modules/.cache/types.json']),
  ...(withoutUnit ? [] : [tool('unit tests', ['vitest', 'run', '--project', 'unit', '--reporter', 'dot'])]),
  tool('lint', ['biome', 'check', '--error-on-warnings', '.']),
  tool('layers', ['depcruise', 'src', '--config', '.dependency-cruiser.cjs', '--output-type', 'err-long']),
  tool('dead code', ['knip', '--no-progress']),
  { name: 'file lengths', check: checkLengths },
  { name: 'registry hosts', check: checkHosts },
  { name: 'generated', check: checkGenerated },
];

async function time(part: Part): Promise<{ name: string; seconds: number; said: string }> {
  const began = performance.now();
  const said = await part.check();
  return { name: part.name, seconds: (performance.now() - began) / 1000, said };
}

const began = performance.now();
const results = await Promise.all(parts.map(time));
for (const { name, said } of results) if (said !== '') console.log(`\n── ${name}\n${said}`);
console.log('');
for (const { name, seconds, said } of results) {
  console.log(`${said === '' ? '✓' : '✗'} ${name.padEnd(16)} ${seconds.toFixed(1).padStart(6)} s`);
}
const failed = results.filter(({ said }) => said !== '').length;
console.log(
  `${failed === 0 ? 'all good' : `${failed} of ${results.length} parts failed`}, ${((performance.now() - began) / 1000).toFixed(1)} s`,
);
process.exitCode = failed === 0 ? 0 : 1;
