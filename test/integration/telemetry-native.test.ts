import { once } from 'node:events';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isAlive } from '../../src/lib/alive.ts';
import { createExec } from '../../src/lib/exec.ts';
import type { ServiceStatus } from '../../src/stack/stack.ts';
import { type CliHome, createCliHome } from '../support/cli-home.ts';
import { until } from '../support/gateway-process.ts';
import { lokiProgram, withoutLoki } from '../support/real-loki.ts';

// The stack as processes: the real Prometheus, and Loki where it was built; the others are not on this PATH, which is said.
if (lokiProgram === null) console.log(`the stack is tried without Loki: ${withoutLoki}`);
const exec = createExec();
let home: CliHome;
beforeAll(async () => {
  home = await createCliHome();
});
afterAll(async () => {
  await home.cli('telemetry', 'down', '--purge', '--yes');
  await home[Symbol.asyncDispose]();
});

const json = (out: string) => JSON.parse(out.trim().split('\n').at(-1) ?? '');
const services = async (): Promise<ServiceStatus[]> =>
  json((await home.cli('telemetry', 'status', '--json')).out).services;
const pidFile = () => join(home.paths.telemetry, 'pids/prometheus');
const pid = async () => Number((await readFile(pidFile(), 'utf8')).split('\n')[0]);

it('without any of the programs: says what brings them, and starts nothing', async () => {
  const run = await home.cli('telemetry', 'up', '--native');
  expect(run.code).toBe(5);
  expect(run.err).toContain('None of Prometheus, Loki, Tempo and Grafana is on the PATH');
  expect(run.err).toContain('apt install prometheus');
});

it('starts what is there, says what is not, and the daemon serves what Prometheus asks for', async () => {
  const { stdout } = await exec(['sh', '-c', 'command -v prometheus']);
  await symlink(stdout.trim(), join(home.root, 'bin/prometheus'));
  if (lokiProgram !== null) await symlink(lokiProgram, join(home.root, 'bin/loki'));
  expect(await home.cli('daemon', 'start')).toMatchObject({ code: 0 });
  // Somebody else has the usual port of the daemon's metrics: another one is taken, said and remembered.
  const stranger = createServer().listen(9464, '127.0.0.1');
  await once(stranger, 'listening');
  const run = await home.cli('telemetry', 'up', '--native');
  expect(run.code, run.err).toBe(0);
  expect(run.out + run.err).toContain('Port 9464 is taken; what the daemon tells Prometheus has 9465');
  expect(run.out).toContain('No Grafana here');
  // The daemon was not told to serve metrics; it follows the stack.
  await until('Prometheus has read the metrics', async () => {
    const { scrape } = json((await home.cli('telemetry', 'status', '--json')).out);
    return scrape?.health === 'up';
  });
  stranger.close();
  for (const { dataBytes } of await services()) expect(dataBytes).toBeGreaterThan(0);
  expect((await home.cli('telemetry', 'status')).out).toMatch(/series, \d+ [KM]iB of data/);
});

it.skipIf(lokiProgram === null)('the daemon ships its logs into the Loki of the stack', async () => {
  await until('lines are there', async () => {
    const loki = (await services()).find(({ name }) => name === 'loki');
    return /^[1-9][\d,]* lines/.test(loki?.found?.text ?? '');
  });
});

it('again it is left alone; killed it is started again; a pid that is somebody else’s by now is not touched', async () => {
  const first = await pid();
  // The daemon's own port is not taken for a stranger's, and not given up though the usual one is free again.
  const again = await home.cli('telemetry', 'up', '--json');
  expect(again.err).not.toContain('is taken');
  for (const { how } of json(again.out).ran) expect(how).toBe('left');
  expect(await pid()).toBe(first);
  process.kill(first, 'SIGKILL');
  await until('it has ended', () => !isAlive(first));
  expect((await home.cli('telemetry', 'status')).code).toBe(5);
  const mended = await home.cli('telemetry', 'up');
  expect(mended.out + mended.err).toContain('Prometheus had ended and is started again.');
  process.kill(await pid(), 'SIGKILL');
  const text = await readFile(pidFile(), 'utf8');
  await writeFile(pidFile(), text.replace(/^\d+/, String(process.pid)));
  const { ran } = json((await home.cli('telemetry', 'up', '--json')).out);
  expect(ran.find(({ name }: { name: string }) => name === 'prometheus')).toMatchObject({ how: 'started' });
  expect(isAlive(await pid())).toBe(true);
});

it('down ends it, and the daemon no longer listens', async () => {
  const native = await pid();
  await home.cli('telemetry', 'down');
  await until('it has ended', () => !isAlive(native));
  const listens = () =>
    fetch('http://127.0.0.1:9465/metrics').then(
      () => true,
      () => false,
    );
  await until('nobody listens', async () => !(await listens()));
});
