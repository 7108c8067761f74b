/**
 * What scripts/test runs once the machine is ready: the checks of the code, unit tests, the simulation, then two lanes beside each
 * other, each file by file: the tests in real VMs, which wait for a guest or for libvirt most of the time, and those with other real parts. Ends
 * with the slowest tests and the totals.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({
  options: {
    'setup-seconds': { type: 'string', default: '0' },
    seeds: { type: 'string', default: '2000' },
    minutes: { type: 'string', default: '80' },
  },
});
const work = mkdtempSync(join(tmpdir(), 'ralph-fleet-test-'));
const setUpSeconds = Number(values['setup-seconds']);
const endsAt = Date.now() + Number(values.minutes) * 60_000 - setUpSeconds * 1000;

interface Part {
  name: string;
  argv: string[];
  /** Where vitest writes its results; without it the part counts as one test. */
  report?: string;
  env?: Record<string, string>;
}

interface Outcome {
  name: string;
  seconds: number;
  passed: number;
  failed: number;
  slow: { name: string; seconds: number }[];
}

function vitest(name: string, args: string[], env: Record<string, string> = {}): Part {
  const report = join(work, `${name.replaceAll(' ', '-')}.json`);
  const program = join(root, 'node_modules/vitest/vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  return { name, argv: [program, 'run', ...args, ...reporters], report, env };
}

/** One after the other within a lane; the lanes of a stage beside each other. */
const stages: Part[][][] = [
  [
    [
      { name: 'check', argv: [join(root, 'scripts/check.ts'), '--no-unit'] },
      vitest('unit tests', ['--project', 'unit']),
      vitest('simulation', ['--project', 'simulation'], { SIM_SEEDS: values.seeds }),
    ],
  ],
  [
    [vitest('VM tests', ['--project', 'vms']), vitest('chaos', ['--project', 'chaos'])],
    [
      vitest('real tests', ['--project', 'real']),
      vitest('walk in real VMs', ['--project', 'walk', 'test/e2e/demo.test.ts']),
    ],
  ],
];

/** Runs one part in a process group of its own, so that at the deadline all of it can be ended, and nothing else. */
function run(part: Part): Promise<number> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...part.argv], {
    cwd: root,
    env: { ...process.env, ...part.env },
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  const end = (signal: NodeJS.Signals) => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {} // already gone
  };
  const interrupted = () => end('SIGTERM');
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const late = setTimeout(
    () => {
      console.log(`\n✗ ${part.name}: no time left of ${values.minutes} minutes; ended`);
      end('SIGTERM');
      setTimeout(() => end('SIGKILL'), 20_000).unref();
    },
    Math.max(1000, endsAt - Date.now()),
  );
  return new Promise((resolve) => {
    child.on('error', () => resolve(1));
    child.on('exit', (code) => {
      clearTimeout(late);
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
      resolve(code ?? 1);
    });
  });
}

interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { name: string; assertionResults: { fullName: string; duration?: number | null }[] }[];
}

/** A crash, a file that does not load or an unhandled error fails no test of vitest's; it still counts as a failure here. */
function count(part: Part, code: number): Omit<Outcome, 'seconds'> {
  if (part.report === undefined)
    return { name: part.name, passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, slow: [] };
  if (!existsSync(part.report)) return { name: part.name, passed: 0, failed: 1, slow: [] };
  const report: VitestReport = JSON.parse(readFileSync(part.report, 'utf8'));
  const slow = report.testResults.flatMap((file) =>
    file.assertionResults.map((test) => ({
      name: `${file.name.replace(`${root}/`, '')} › ${test.fullName}`,
      seconds: (test.duration ?? 0) / 1000,
    })),
  );
  const failed = code === 0 ? report.numFailedTests : Math.max(1, report.numFailedTests);
  return { name: part.name, passed: report.numPassedTests, failed, slow };
}

const outcomes: Outcome[] = [];
async function runLane(parts: Part[]): Promise<void> {
  for (const part of parts) {
    console.log(`\n━━ ${part.name}`);
    const began = performance.now();
    const code = await run(part);
    outcomes.push({ ...count(part, code), seconds: (performance.now() - began) / 1000 });
  }
}
const began = performance.now();
for (const lanes of stages) await Promise.all(lanes.map(runLane));
rmSync(work, { recursive: true, force: true });

const slowest = outcomes.flatMap((outcome) => outcome.slow).sort((a, b) => b.seconds - a.seconds);
console.log('\n━━ slowest tests');
for (const { name, seconds } of slowest.slice(0, 15)) console.log(`${seconds.toFixed(1).padStart(8)} s  ${name}`);
console.log('\n━━ parts');
console.log(`${setUpSeconds.toFixed(1).padStart(8)} s  set up`);
for (const { name, seconds, passed, failed } of outcomes) {
  console.log(`${seconds.toFixed(1).padStart(8)} s  ${name}: ${passed} passed, ${failed} failed`);
}
console.log(`${(setUpSeconds + (performance.now() - began) / 1000).toFixed(1).padStart(8)} s  in all`);
const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
const ranNothing = outcomes.some((outcome) => outcome.passed + outcome.failed === 0);
if (ranNothing) console.log('✗ a part ran no test at all');
process.exitCode = failed > 0 || ranNothing ? 1 : 0;
console.log(`\n${passed} passed, ${failed + (ranNothing && failed === 0 ? 1 : 0)} failed`);
