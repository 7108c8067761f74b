import { appendFile, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLogRelay, type LogRelay } from '../../src/daemon/log-relay.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import type { LogFigures } from '../../src/telemetry/logs/figures.ts';
import { fileSource, pinoLines } from '../support/log-scene.ts';
import { type RealLoki, startRealLoki } from '../support/real-loki.ts';
import { type Result, single, spread } from './result.ts';

const burst = 1_000_000;
const steadyPerSecond = 5_000;
const steadySeconds = 20;

/** From lines in a file to Loki's acceptance: how fast a backlog goes, what it takes of memory, how late lines are in steady traffic. */
export async function logs(say: (line: string) => void): Promise<Result[]> {
  const folder = await mkdtemp(join(tmpdir(), 'rf-bench-logs-'));
  say('logs: starting Loki');
  const loki = await startRealLoki();
  try {
    return [...(await fast(folder, loki, say)), ...(await late(folder, loki, say))];
  } finally {
    await loki.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function startRelay(folder: string, path: string, loki: RealLoki): LogRelay {
  const relay = createLogRelay({
    ...{
      cursorFile: `${path}.cursor`,
      clock: createSystemClock(),
      log: createSilentLog(),
      secrets: () => [],
      figuresMs: 20,
    },
    sources: () => [fileSource('daemon', path)],
  });
  void relay.take({ name: `bench-${folder.slice(-6)}`, telemetry: { loki: loki.url, otlp: null } });
  return relay;
}

const shippedOf = (figures: LogFigures | null) => figures?.shippedLines['daemon'] ?? 0;

async function fast(folder: string, loki: RealLoki, say: (line: string) => void): Promise<Result[]> {
  const path = join(folder, 'burst.log');
  const file = await open(path, 'a');
  for (let n = 0; n < burst; n += 10_000) {
    await file.write(
      pinoLines(n, 10_000)
        .map((line) => `${line}\n`)
        .join(''),
    );
  }
  await file.close();
  global.gc?.();
  const before = process.memoryUsage().rss;
  const relay = startRelay(folder, path, loki);
  let most = before;
  let first: { at: number; lines: number } | null = null;
  const began = performance.now();
  for (;;) {
    await sleep(50);
    most = Math.max(most, process.memoryUsage().rss);
    const lines = shippedOf(relay.figures());
    if (first === null && lines > 0) first = { at: performance.now(), lines };
    if (lines >= burst) break;
    if (performance.now() - began > 300_000) throw new Error(`only ${lines} of ${burst} lines were shipped`);
  }
  const seconds = (performance.now() - (first?.at ?? began)) / 1000;
  const perSecond = (burst - (first?.lines ?? 0)) / seconds;
  await relay.close();
  say(`logs: ${Math.round(perSecond)} lines a second`);
  return [
    single('logs: lines from a file to Loki’s acceptance', 'lines/s', perSecond, burst),
    single('logs: extra memory of the daemon while it ships them', 'MiB', (most - before) / 1024 ** 2),
  ];
}

/** A line is accepted when the count says so; its time of writing is known by its number. */
async function late(folder: string, loki: RealLoki, say: (line: string) => void): Promise<Result[]> {
  const path = join(folder, 'steady.log');
  const relay = startRelay(folder, path, loki);
  const written: { upTo: number; at: number }[] = [];
  const lags: number[] = [];
  const everyMs = 20;
  const perTick = (steadyPerSecond * everyMs) / 1000;
  const total = steadyPerSecond * steadySeconds;
  const began = performance.now();
  let count = 0;
  let settled = 0;
  while (settled < total) {
    const due = Math.min(total, Math.floor((performance.now() - began) / everyMs) * perTick);
    if (count < due) {
      await appendFile(
        path,
        pinoLines(count, due - count)
          .map((line) => `${line}\n`)
          .join(''),
      );
      count = due;
      written.push({ upTo: count, at: performance.now() });
    }
    const lines = shippedOf(relay.figures());
    while (written[0] !== undefined && written[0].upTo <= lines) {
      lags.push(performance.now() - written[0].at);
      settled = written[0].upTo;
      written.shift();
    }
    await sleep(5);
  }
  await relay.close();
  say('logs: lag measured');
  return [spread(`logs: lag at ${steadyPerSecond} lines/s`, 'ms', lags)];
}
