import { afterEach, beforeEach, expect, it } from 'vitest';
import { createLogRelay, type LogRelay } from '../../src/daemon/log-relay.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import { type FakeLoki, startFakeLoki } from '../support/fake-loki.ts';
import { until } from '../support/gateway-process.ts';
import { createLogScene, type LogScene, pinoLines } from '../support/log-scene.ts';

let scene: LogScene;
let loki: FakeLoki;
let relay: LogRelay;
let aheadMs = 0;

beforeEach(async () => {
  scene = await createLogScene();
  loki = await startFakeLoki();
  aheadMs = 0;
  relay = createLogRelay({
    ...{ cursorFile: scene.cursorFile, log: createSilentLog(), figuresMs: 50 },
    clock: { ...createSystemClock(), now: () => Date.now() + aheadMs },
    sources: () => scene.sources,
    secrets: () => ['a "quoted" secret'],
  });
});
afterEach(async () => {
  await relay.close();
  await scene.close();
  await loki.close();
});

const ask = (url: string | null) => relay.take({ name: 'main', telemetry: { loki: url, otlp: null } });
const numbers = (of: FakeLoki) => of.lines.map(({ line }) => JSON.parse(line).n as number);

it('is off until it is asked for, moves to another Loki without a double, and ends', async () => {
  await scene.append(scene.daemonLog, pinoLines(0, 3));
  await ask(null);
  expect(relay.figures()).toBe(null);
  await ask(loki.url);
  await until('three are there', () => relay.figures()?.shippedLines['daemon'] === 3);
  const other = await startFakeLoki();
  try {
    await ask(other.url);
    await scene.append(scene.daemonLog, pinoLines(3, 2));
    await until('two are there', () => other.lines.length === 2);
    expect([numbers(loki), numbers(other)]).toEqual([
      [0, 1, 2],
      [3, 4],
    ]);
    await ask(null);
    expect(relay.figures()).toBe(null);
    expect(relay.problems()).toEqual([]);
  } finally {
    await other.close();
  }
});

it('hides secrets it was told of, also as JSON has them', async () => {
  await scene.append(scene.daemonLog, [JSON.stringify({ n: 1, a: 'x a "quoted" secret y' }), 'a "quoted" secret']);
  await ask(loki.url);
  await until('both are there', () => loki.lines.length === 2);
  expect(loki.lines.map(({ line }) => line)).toEqual(['{"n":1,"a":"x [redacted] y"}', '[redacted]']);
});

it('says after a minute that Loki takes nothing, and why, and that it mends', async () => {
  loki.onPush = () => ({ status: 404 });
  await scene.append(scene.daemonLog, pinoLines(0, 1));
  await ask(loki.url);
  await until('it waits', () => relay.figures()?.state === 'waiting');
  expect(relay.problems()).toEqual([]);
  aheadMs = 61_000;
  expect(relay.problems()).toMatchObject([
    { id: 'logs', what: 'Loki takes no logs, they stay in their files: HTTP 404', severity: 'warning' },
  ]);
  loki.onPush = () => null;
  await until('it is told no more', () => relay.problems().length === 0);
  expect(numbers(loki)).toEqual([0]);
});
