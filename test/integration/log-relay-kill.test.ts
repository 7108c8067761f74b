import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createCliHome, nodeFlags } from '../support/cli-home.ts';
import { type FakeLoki, type Fault, startFakeLoki } from '../support/fake-loki.ts';
import { until } from '../support/gateway-process.ts';
import { createLogScene, fileSource, type LogScene, pinoLines } from '../support/log-scene.ts';

let scene: LogScene;
let loki: FakeLoki;
let child: ChildProcess | null = null;

beforeEach(async () => {
  scene = await createLogScene();
  loki = await startFakeLoki();
});
afterEach(async () => {
  child?.removeAllListeners('exit').kill('SIGKILL');
  await scene.close();
  await loki.close();
});

it('killed with SIGKILL at each push, before, in and after it, a relay loses and doubles no line', async () => {
  const iteration = join(scene.folder, 'stream');
  const sources = [
    fileSource('daemon', scene.daemonLog),
    fileSource('iteration', iteration, { key: 'iteration/it-1', labels: { role: 'implementer' } }),
  ];
  let kills = 0;
  const start = () => {
    const argv = [...nodeFlags, join(import.meta.dirname, '../support/log-relay-child.ts')];
    child = spawn(process.execPath, [...argv, loki.url, scene.cursorFile, JSON.stringify(sources)], {
      stdio: 'inherit',
    });
    child.once('exit', start);
  };
  const kept = [() => false, () => true, (_: string, at: number) => at % 3 === 0];
  loki.onPush = (): Fault | null => {
    const stored = kept[kills % 3];
    if (kills === 9 || stored === undefined) return null;
    kills++;
    child?.kill('SIGKILL');
    return { instead: 'hang', stored };
  };
  const lines = 40;
  await writeFile(iteration, '');
  start();
  for (let n = 0; n < lines; n += 4) {
    const killed = kills;
    await scene.append(scene.daemonLog, pinoLines(n, 4));
    // Equal lines without times: only their place tells them apart.
    await scene.append(
      iteration,
      Array.from({ length: 4 }, () => 'the same'),
    );
    await until('it was killed', () => kills > killed || kills === 9);
  }
  const of = (stream: string) => loki.lines.filter(({ labels }) => labels['stream'] === stream);
  await until('all is there', () => of('daemon').length >= lines && of('iteration').length >= lines);
  expect(kills).toBe(9);
  const numbers = of('daemon').map(({ line }) => JSON.parse(line).n);
  expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: lines }, (_, n) => n));
  expect(of('iteration')).toHaveLength(lines);
  expect(new Set(of('iteration').map(({ ns }) => ns)).size).toBe(lines);
});

it('killed while one batch is under way and the next is ready to go, it loses and doubles no line', async () => {
  /** Bytes from what is settled to the last one that may be sent. */
  const planned = async () => {
    const { plan, positions } = JSON.parse(await readFile(scene.cursorFile, 'utf8')) as {
      plan: { to: number }[];
      positions: Record<string, { offset: number }>;
    };
    const [settled] = Object.values(positions);
    return Math.max(...plan.map(({ to }) => to)) - (settled?.offset ?? 0);
  };
  const start = () => {
    const argv = [...nodeFlags, join(import.meta.dirname, '../support/log-relay-child.ts')];
    const sources = JSON.stringify([fileSource('daemon', scene.daemonLog)]);
    child = spawn(process.execPath, [...argv, loki.url, scene.cursorFile, sources], { stdio: 'inherit' });
    child.once('exit', start);
  };
  const lines = 60_000;
  await scene.append(scene.daemonLog, pinoLines(0, lines));
  const kept = [() => false, () => true, (_: string, at: number) => at % 3 === 0];
  let kills = 0;
  loki.onPush = (): Fault | null => {
    const stored = kept[kills];
    if (stored === undefined) return null;
    kills++;
    void until('two batches are planned', async () => (await planned()) > 1.5 * 1024 ** 2).then(() =>
      child?.kill('SIGKILL'),
    );
    return { instead: 'hang', stored };
  };
  start();
  await until('all is there', () => loki.lines.length >= lines);
  expect(kills).toBe(3);
  const numbers = loki.lines.map(({ line }) => JSON.parse(line).n);
  expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: lines }, (_, n) => n));
});

it('a real daemon ships its own log: killed in the middle of a push it goes on, and no secret leaves', async () => {
  await using home = await createCliHome({ ANTHROPIC_API_KEY: 'plain-words-as-a-key', RALPH_FLEET_LOG: 'debug' });
  await mkdir(home.paths.config, { recursive: true });
  await writeFile(home.paths.fleetYaml, `version: 1\ntelemetry: {loki: {url: "${loki.url}"}}\n`);
  loki.onPush = (n) => (n === 1 ? { instead: 'hang', stored: (_, at) => at === 0 } : null);
  await home.cli('daemon', 'start');
  await writeFile(home.paths.daemonLog, '{"level":30,"msg":"plain-words-as-a-key"}\n', { flag: 'a' });
  await until('a push hangs', () => loki.pushes === 1);
  process.kill(await home.daemonPid(), 'SIGKILL');
  await until('it is gone', async () => (await home.cli('daemon', 'status')).code === 5);
  await home.cli('daemon', 'start');
  const written = async () => (await readFile(home.paths.daemonLog, 'utf8')).trimEnd().split('\n');
  await until('all of it is there', async () => loki.lines.length >= (await written()).length);
  await home.cli('daemon', 'stop');
  const shipped = loki.lines.map(({ line }) => line);
  const hidden = (await written()).map((line) => line.replace('plain-words-as-a-key', '[redacted]'));
  expect(shipped.length).toBeGreaterThan(3);
  expect(hidden.slice(0, shipped.length)).toEqual(shipped);
  expect(shipped.filter((line) => line.includes('[redacted]'))).toHaveLength(1);
  expect(new Set(loki.lines.map(({ labels }) => JSON.stringify(labels)))).toEqual(
    new Set(['{"service_name":"ralph-fleet","fleet":"main","stream":"daemon"}']),
  );
});
