/** `npm run -s bench -- [--quick] NAME…`: progress on stderr; the last line is one JSON object with everything measured. */
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { createExec } from '../../src/lib/exec.ts';
import { changes } from './changes.ts';
import { daemon } from './daemon.ts';
import { firstCall } from './first-call.ts';
import { gateway } from './gateway.ts';
import { logs } from './logs.ts';
import { loop } from './loop.ts';
import { metrics } from './metrics.ts';
import type { Bench, Result } from './result.ts';
import { sim } from './sim.ts';
import { status } from './status.ts';
import { up } from './up.ts';
import { vm } from './vm.ts';

const operations: Record<string, Bench> = { status, daemon, up, vm, 'first-call': firstCall };
const benches: Record<string, Bench> = { ...operations, sim, loop, changes, gateway, metrics, logs };
const root = join(import.meta.dirname, '../..');
const exec = createExec();
const say = (line: string) => process.stderr.write(`${line}\n`);

async function commit(): Promise<string> {
  const head = (await exec(['git', 'rev-parse', 'HEAD'], { cwd: root })).stdout.trim();
  const dirty = (await exec(['git', 'status', '--porcelain'], { cwd: root })).stdout.trim() !== '';
  return dirty ? `${head}+` : head;
}

/** What QEMU can use here, as the driver's own look at the machine has it. */
async function accel(): Promise<string> {
  const { stdout } = await exec(
    [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      join(root, 'src/cli/bin.js'),
      'doctor',
      '--demo',
      '--json',
    ],
    { okExitCodes: [0, 4], timeoutMs: 120_000 },
  );
  const checks: { id: string; state: string }[] = JSON.parse(stdout).checks;
  return checks.find((check) => check.id === 'virtualisation')?.state === 'ok' ? 'hardware' : 'tcg';
}

const quick = process.argv.includes('--quick');
const names = process.argv.slice(2).filter((word) => word !== '--quick');
const unknown = names.filter((name) => !(name in benches));
if (names.length === 0 || unknown.length > 0) {
  say(`usage: npm run -s bench -- [--quick] NAME…   one or several of: ${Object.keys(benches).join(', ')}`);
  process.exit(2);
}
const results: Result[] = [];
for (const name of names) results.push(...((await benches[name]?.(say, { quick })) ?? []));
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  memoryMiB: Math.round(totalmem() / 1024 ** 2),
  accel: await accel(),
};
console.log(
  JSON.stringify({ bench: names.join(','), ...(quick ? { quick } : {}), commit: await commit(), machine, results }),
);
