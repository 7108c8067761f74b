import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeFlags } from '../support/cli-home.ts';
import { until } from '../support/gateway-process.ts';
import { createLogScene, fileSource, type LogScene, pinoLines } from '../support/log-scene.ts';
import { lokiProgram, type RealLoki, startRealLoki, withoutLoki } from '../support/real-loki.ts';

if (lokiProgram === null) console.log(`tests with a real Loki are left out: ${withoutLoki}`);

describe.skipIf(lokiProgram === null)('with a real Loki', () => {
  let scene: LogScene;
  let loki: RealLoki;
  let child: ChildProcess | null = null;

  beforeEach(async () => {
    scene = await createLogScene();
    loki = await startRealLoki();
  });
  afterEach(async () => {
    child?.removeAllListeners('exit').kill('SIGKILL');
    await scene.close();
    await loki.close();
  });

  const daemonStream = '{service_name="ralph-fleet",stream="daemon"}';
  const range = (count: number) => Array.from({ length: count }, (_, n) => n);
  const shipped = async (): Promise<number> =>
    JSON.parse(await readFile(scene.cursorFile, 'utf8').catch(() => '{}')).totals?.shippedLines.daemon ?? 0;
  const numbers = async () => (await loki.lines(daemonStream)).map((line) => JSON.parse(line).n as number);

  it('Loki and the relay are killed in turn in the middle of a burst: no line is lost, none is there twice', async () => {
    const console = join(scene.folder, 'console.log');
    const sources = [fileSource('daemon', scene.daemonLog), fileSource('console', console, { key: 'console/a' })];
    const start = () => {
      const argv = [...nodeFlags, join(import.meta.dirname, '../support/log-relay-child.ts')];
      const args = [...argv, loki.url, scene.cursorFile, JSON.stringify(sources)];
      child = spawn(process.execPath, args, { stdio: 'inherit' });
      child.once('exit', start);
    };
    start();
    const [rounds, perRound] = [6, 20_000];
    for (let round = 0; round < rounds; round++) {
      const before = await shipped();
      await scene.append(scene.daemonLog, pinoLines(round * perRound, perRound));
      await scene.append(
        console,
        range(1000).map(() => 'equal'),
      );
      await until('some of it is there', async () => (await shipped()) > before, 120_000);
      if (round % 2 === 0) child?.kill('SIGKILL');
      else {
        await loki.kill();
        await scene.append(scene.daemonLog, []);
        await loki.start();
      }
    }
    const lines = rounds * perRound;
    await until('all is shipped', async () => (await shipped()) >= lines, 300_000);
    expect((await numbers()).toSorted((a, b) => a - b)).toEqual(range(lines));
    const equal = () => loki.lines('{service_name="ralph-fleet",stream="console"}');
    await until('the console too', async () => (await equal()).length >= rounds * 1000);
    expect(await equal()).toHaveLength(rounds * 1000);
  });

  it('finds the line that Loki refuses, and what Loki stores is what the file holds', async () => {
    const path = join(scene.folder, 'stream');
    const ids = { task: 'T7', iteration: 'it-1', huge: 'x'.repeat(70_000) };
    const bad = fileSource('iteration', path, { key: 'iteration/it-1', ids, labels: { role: 'reviewer' } });
    scene.sources = [fileSource('daemon', scene.daemonLog), bad];
    const { relay } = scene.start(loki.url);
    await scene.append(scene.daemonLog, pinoLines(0, 50));
    await scene.append(path, ['more metadata than Loki takes']);
    await until('all is settled', async () => {
      const figures = relay.figures();
      return figures?.backlogBytes === 0 && figures.shippedLines['daemon'] === 50;
    });
    expect(relay.figures()).toMatchObject({ droppedLines: { rejected: 1 } });
    expect(await loki.lines(daemonStream)).toEqual((await readFile(scene.daemonLog, 'utf8')).trimEnd().split('\n'));
    expect(await loki.lines(`${daemonStream} | level="info" | step="start_vm"`)).toHaveLength(50);
  });
});
