import { appendFile, mkdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeLoki, startFakeLoki } from '../support/fake-loki.ts';
import { until } from '../support/gateway-process.ts';
import { createLogScene, fileSource, type LogScene, pinoLines } from '../support/log-scene.ts';

let scene: LogScene;
let loki: FakeLoki;

beforeEach(async () => {
  scene = await createLogScene();
  loki = await startFakeLoki();
});
afterEach(async () => {
  await scene.close();
  await loki.close();
});

const numbers = () => loki.lines.map(({ line }) => JSON.parse(line).n as number);
const seen = (count: number) => until(`${count} lines`, () => loki.lines.length >= count);
const range = (count: number) => Array.from({ length: count }, (_, n) => n);

describe('the relay of the logs', () => {
  it('ships each line as it was written, with few labels, ids as metadata and the time of the record', async () => {
    const at = Date.now() - 1000;
    const line = `{"level":40,"time":"${new Date(at).toISOString()}","vm":"ab12cd34","task":"T7","err":"x","msg":"a VM failed"}`;
    await scene.append(scene.daemonLog, [line, line]);
    scene.start(loki.url);
    await seen(2);
    expect(loki.lines).toEqual([
      {
        ns: `${at}000000`,
        line,
        labels: { service_name: 'ralph-fleet', fleet: 'main', stream: 'daemon' },
        meta: { level: 'warn', vm: 'ab12cd34', task: 'T7' },
      },
      expect.objectContaining({ ns: `${at}${String(line.length + 1).padStart(6, '0')}`, line }),
    ]);
  });

  it('ships an iteration to its last line without a newline, and never begins it again', async () => {
    const path = join(scene.folder, 'stream');
    const ids = { task: 'T1', ralph: 'implementer-1', iteration: 'it-1' };
    const source = fileSource('iteration', path, { key: 'iteration/it-1', ids, labels: { role: 'implementer' } });
    scene.sources = [source];
    await writeFile(path, '{"type":"assistant","text":"a"}\n{"type":"result"');
    const first = scene.start(loki.url);
    await seen(1);
    scene.sources = [{ ...source, endedAt: Date.now() - 20_000 }];
    await seen(2);
    expect(loki.lines.map(({ line, meta, labels }) => [line, meta, labels['role']])).toEqual([
      ['{"type":"assistant","text":"a"}', { ...ids, kind: 'assistant' }, 'implementer'],
      ['{"type":"result"', { ...ids, kind: 'result' }, 'implementer'],
    ]);
    await until(
      'it is finished',
      async () => JSON.parse(await readFile(scene.cursorFile, 'utf8')).finished['iteration/it-1'],
    );
    await first.stop();
    await scene.append(path, ['late']);
    scene.sources = [{ ...source, endedAt: Date.now() }, fileSource('daemon', scene.daemonLog)];
    await scene.append(scene.daemonLog, pinoLines(0, 1));
    scene.start(loki.url);
    await seen(3);
    expect(JSON.parse(loki.lines[2]?.line ?? '')).toMatchObject({ n: 0 });
  });

  it('loses and doubles nothing over an outage, sends the oldest first and gives lines the time they came', async () => {
    const { port } = new URL(loki.url);
    const { relay } = scene.start(loki.url);
    const path = join(scene.folder, 'console.log');
    scene.sources.push(fileSource('console', path, { key: 'console/a', labels: { driver: 'libvirt' } }));
    await scene.append(scene.daemonLog, pinoLines(0, 3));
    await seen(3);
    await loki.close();
    await scene.append(scene.daemonLog, pinoLines(3, 1));
    await until('it waits', () => relay.figures()?.state === 'waiting');
    await scene.append(path, ['early']);
    await until('it was noticed', () => (relay.figures()?.lagMs['console'] ?? 0) > 0);
    const noticed = Date.now();
    await until('time goes on', () => (relay.figures()?.lagMs['console'] ?? 0) > 400);
    await scene.append(path, ['late']);
    await scene.append(scene.daemonLog, pinoLines(4, 2));
    const before = loki.lines;
    loki = await startFakeLoki(Number(port));
    loki.lines.push(...before);
    await seen(8);
    const console = loki.lines.filter(({ labels }) => labels['stream'] === 'console');
    expect(console.map(({ line }) => line)).toEqual(['early', 'late']);
    expect(Number(console[0]?.ns.slice(0, -6))).toBeLessThanOrEqual(noticed);
    const daemon = loki.lines.filter(({ labels }) => labels['stream'] === 'daemon');
    expect(daemon.map(({ line }) => JSON.parse(line).n)).toEqual(range(6));
    await until('it sends', () => relay.figures()?.state === 'sending' && relay.figures()?.backlogBytes === 0);
    expect(relay.figures()).toMatchObject({
      shippedLines: { daemon: 6, console: 2 },
      droppedLines: { cap: 0, too_old: 0, rejected: 0 },
    });
    expect(scene.said.map(({ msg }) => msg)).toEqual([
      'Loki takes no logs; they stay in their files',
      'Loki takes the logs again',
    ]);
  });

  it.each([
    ['429 after half of it was taken', { status: 429, text: 'Per stream rate limit exceeded', stored: odd }],
    ['429 of the whole', { status: 429, text: 'ingestion rate limit exceeded for user fake' }],
    ['500 before it took anything', { status: 500 }],
    ['500 after it took all', { status: 500, stored: () => true }],
    ['503 after it took half', { status: 503, stored: odd }],
    ['no answer, though it took all', { instead: 'hang', stored: () => true }],
    ['no answer, and took half', { instead: 'hang', stored: odd }],
    ['a connection that breaks after half', { instead: 'reset', stored: odd }],
    ['401 until somebody mends it', { status: 401 }],
  ] as const)('meets %s', async (_, fault) => {
    await scene.append(scene.daemonLog, pinoLines(0, 200));
    loki.onPush = (n) => (n <= 2 ? fault : null);
    const { relay } = scene.start(loki.url, 300);
    await until('all is there', () => new Set(numbers()).size === 200);
    await until('it is settled', () => relay.figures()?.backlogBytes === 0);
    expect(numbers().toSorted((a, b) => a - b)).toEqual(range(200));
    expect(Object.values(relay.figures()?.pushFailures ?? {}).reduce((sum, n) => sum + n)).toBeGreaterThan(0);
  });

  it('finds the lines Loki will never take, counts them and ships the others once', async () => {
    const bad = new Set([17, 18, 99]);
    await scene.append(scene.daemonLog, pinoLines(0, 120));
    const isBad = (line: string) => bad.has(JSON.parse(line).n);
    // As Loki does: what is good in a push is taken although the answer is 400.
    loki.onPush = (_, lines) =>
      lines.some(({ line }) => isBad(line))
        ? { status: 400, text: 'stream has a bad line', stored: (line) => !isBad(line) }
        : null;
    const { relay } = scene.start(loki.url);
    await until('it is settled', () => relay.figures()?.backlogBytes === 0);
    expect(numbers().toSorted((a, b) => a - b)).toEqual(range(120).filter((n) => !bad.has(n)));
    expect(relay.figures()).toMatchObject({ shippedLines: { daemon: 117 }, droppedLines: { rejected: 3 } });
  });

  it('finds a line for which Loki refuses the whole push, and where it may not be asked', async () => {
    await scene.append(scene.daemonLog, pinoLines(0, 64));
    loki.onQuery = () => 403;
    loki.onPush = (_, lines) => (lines.some(({ line }) => JSON.parse(line).n === 40) ? { status: 400 } : null);
    const { relay } = scene.start(loki.url);
    await until('it is settled', () => relay.figures()?.backlogBytes === 0);
    expect(numbers().toSorted((a, b) => a - b)).toEqual(range(64).filter((n) => n !== 40));
    expect(relay.figures()?.droppedLines.rejected).toBe(1);
  });

  it('cut off in the middle of a push, goes on where it was', async () => {
    await scene.append(scene.daemonLog, pinoLines(0, 50));
    loki.onPush = (n) => (n === 1 ? { instead: 'hang', stored: (_, at) => at < 20 } : null);
    const first = scene.start(loki.url);
    await seen(20);
    await scene.append(scene.daemonLog, pinoLines(50, 50));
    await first.stop();
    scene.start(loki.url);
    await until('all is there', () => new Set(numbers()).size === 100);
    expect(numbers()).toEqual(range(100));
  });

  it('follows files that are turned over, while it runs and while it does not', async () => {
    const turn = async () => {
      await rename(`${scene.daemonLog}.1`, `${scene.daemonLog}.2`).catch(() => {});
      await rename(scene.daemonLog, `${scene.daemonLog}.1`);
    };
    await scene.append(scene.daemonLog, pinoLines(0, 10));
    const first = scene.start(loki.url);
    await seen(10);
    await scene.append(scene.daemonLog, pinoLines(10, 10));
    await turn();
    await scene.append(scene.daemonLog, pinoLines(20, 10));
    await seen(30);
    await first.stop();
    await scene.append(scene.daemonLog, pinoLines(30, 10));
    await turn();
    await scene.append(scene.daemonLog, pinoLines(40, 10));
    await turn();
    // A process that had it open writes on in what was turned over.
    await scene.append(`${scene.daemonLog}.1`, pinoLines(50, 10));
    await scene.append(scene.daemonLog, pinoLines(60, 10));
    scene.start(loki.url);
    await seen(70);
    expect(numbers().toSorted((a, b) => a - b)).toEqual(range(70));
  });

  it('ships the prompt at which a console rests, before its VM goes away with it', async () => {
    const path = join(scene.folder, 'console.log');
    await writeFile(path, 'booted\nlogin: ');
    const long = new Date(Date.now() - 20_000);
    await utimes(path, long, long);
    scene.sources = [fileSource('console', path, { key: 'console/a', labels: { driver: 'libvirt' } })];
    const { relay } = scene.start(loki.url);
    await seen(2);
    expect(loki.lines.map(({ line }) => line)).toEqual(['booted', 'login: ']);
    await until('it is settled', () => relay.figures()?.backlogBytes === 0);
    await rm(path);
    scene.sources = [];
    await until('it is finished', async () =>
      Object.hasOwn(JSON.parse(await readFile(scene.cursorFile, 'utf8')).finished, 'console/a'),
    );
    expect(relay.figures()?.droppedLines.cap).toBe(0);
  });

  it('counts and tells what was removed before Loki had it', async () => {
    await scene.append(scene.daemonLog, pinoLines(0, 100));
    loki.onPush = (n) => (n === 1 ? null : { status: 503 });
    const first = scene.start(loki.url);
    await seen(100);
    await scene.append(scene.daemonLog, pinoLines(100, 5));
    await until('it waits', () => first.relay.figures()?.state === 'waiting');
    await first.stop();
    await rm(scene.daemonLog);
    await scene.append(scene.daemonLog, pinoLines(200, 1));
    loki.onPush = () => null;
    const { relay } = scene.start(loki.url);
    await seen(101);
    expect(numbers().at(-1)).toBe(200);
    expect(relay.figures()?.droppedLines.cap).toBe(5);
    expect(scene.said.at(-1)).toMatchObject({ msg: 'logs were removed before Loki had them', fields: { lines: 5 } });
  });

  it('makes lines safe: 10 MB, no UTF-8, escapes, secrets across the cut and across reads', async () => {
    const secret = `sk-ant-${'k'.repeat(60)}`;
    const path = join(scene.folder, 'stream');
    await mkdir(scene.folder, { recursive: true });
    scene.sources = [fileSource('iteration', path, { key: 'iteration/it-2' })];
    const { relay } = scene.start(loki.url);
    await appendFile(path, Buffer.from([0x61, 0xff, 0xfe, 0x62, 10]));
    await appendFile(path, '\u001b[31mred\u001b[0m {"a":"\\u001b[2J"}\r\n');
    await appendFile(path, `${'x'.repeat(16 * 1024 - 20)}${secret}${'y'.repeat(10 * 1024 ** 2)}\n`);
    await appendFile(path, `a ${secret.slice(0, 20)}`);
    await seen(3);
    await appendFile(path, `${secret.slice(20)} b\nend\n`);
    await seen(5);
    const [broken, red, long, split, end] = loki.lines.map(({ line }) => line);
    expect(broken).toBe('a\ufffd\ufffdb');
    expect(red).toBe('red {"a":"\\u241b[2J"}');
    expect(long).toMatch(/^x+\[redacted\]y* *… \(\d+ of \d+ bytes are left out\)$/);
    expect(long?.length).toBeLessThan(17 * 1024);
    expect(split).toBe('a [redacted] b');
    expect(end).toBe('end');
    expect(JSON.stringify(loki.lines)).not.toContain('kkk');
    expect(loki.lines[2]?.meta['cut']).toMatch(/^\d+$/);
    expect(relay.figures()?.shippedLines).toEqual({ iteration: 5 });
  });

  it('takes a cursor that cannot be read for none, and asks Loki what it has', async () => {
    await scene.append(scene.daemonLog, pinoLines(0, 30));
    const first = scene.start(loki.url);
    await seen(30);
    await first.stop();
    await writeFile(scene.cursorFile, '{"version":1');
    await scene.append(scene.daemonLog, pinoLines(30, 10));
    scene.start(loki.url);
    await seen(40);
    expect(numbers()).toEqual(range(40));
    expect(await readFile(`${scene.cursorFile}.broken`, 'utf8')).toBe('{"version":1');
  });

  it('does not send what Loki takes none of: lines older than a week', async () => {
    await scene.append(scene.daemonLog, [...pinoLines(0, 4, Date.now() - 8 * 86_400_000), ...pinoLines(4, 2)]);
    const { relay } = scene.start(loki.url);
    await seen(2);
    expect(numbers()).toEqual([4, 5]);
    await until('it is counted', () => relay.figures()?.droppedLines.too_old === 4);
  });
});

function odd(_: string, at: number): boolean {
  return at % 2 === 1;
}
