import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { gatewayNodeFlags } from '../../src/daemon/gateway-process.ts';
import { grantFor } from '../support/gateway-process.ts';
import { against, type Bench, type Result, single, spread } from './result.ts';

/** What the gateway adds to a call and takes of the machine, and whether its books are right to the token. */
const openStreams = 50;
const measured = 600;
const manyStreams = 200;
const calls = 10_000;
const workers = 16;
const token = 'rft_bench0000000000000000';

interface Server {
  child: ChildProcess;
  url: string;
  ask(line: string): Promise<unknown>;
}

async function start(script: string, ...args: string[]): Promise<Server> {
  const argv = [...gatewayNodeFlags, script, ...args];
  const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async () => String((await lines.next()).value);
  const url = await read();
  const ask = async (line: string) => {
    child.stdin?.write(`${line}\n`);
    return JSON.parse(await read());
  };
  return { child, url, ask };
}

/** A connection for each that is open at once; they are kept, as agent CLIs keep theirs. */
const dispatcher = new Agent({ connections: 400, pipelining: 1, keepAliveTimeout: 60_000 });

function post(url: string, how: string, more: { bytes?: number; maxTokens?: number } = {}) {
  const body = JSON.stringify({
    ...{ model: 'claude-sonnet-5', max_tokens: more.maxTokens ?? 1000, stream: how !== 'whole' },
    system: 'x'.repeat(more.bytes ?? 2000),
    messages: [{ role: 'user', content: how }],
  });
  return request(`${url}/v1/messages`, { method: 'POST', headers: { 'x-api-key': token }, body, dispatcher });
}

/** Milliseconds to the first byte of the body. */
async function firstByte(url: string): Promise<number> {
  const began = performance.now();
  const { body, statusCode } = await post(url, 'quick', { bytes: 20_000 });
  if (statusCode !== 200) throw new Error(`status ${statusCode}`);
  let at = 0;
  for await (const _ of body) at ||= performance.now();
  return at - began;
}

async function drip(url: string, count: number, bytes: number): Promise<() => void> {
  const streams = await Promise.all(Array.from({ length: count }, () => post(url, 'drip', { bytes })));
  for (const { body } of streams) body.on('error', () => {}).resume();
  return () => {
    for (const { body } of streams) body.destroy();
  };
}

async function timeToFirstByte(api: Server, gateway: Server): Promise<Result[]> {
  const stops = [await drip(api.url, openStreams, 2000), await drip(gateway.url, openStreams, 2000)];
  const direct: number[] = [];
  const through: number[] = [];
  for (let n = 0; n < 50; n++) await Promise.all([firstByte(api.url), firstByte(gateway.url)]);
  // One after the other, by turns, so that what else this machine does meets both alike.
  for (let n = 0; n < measured; n++) {
    direct.push(await firstByte(api.url));
    through.push(await firstByte(gateway.url));
  }
  for (const stop of stops) stop();
  const bare = spread(`time to first byte, direct, ${openStreams} streams open`, 'ms', direct);
  const all = against(spread(`time to first byte, ${openStreams} streams open`, 'ms', through), bare);
  const added = (of: 'p50' | 'p95' | 'p99') => Number(((all[of] ?? 0) - (bare[of] ?? 0)).toFixed(3));
  const more = { p50: added('p50'), p95: added('p95'), p99: added('p99') };
  return [
    {
      ...single('added to first byte', 'ms', more.p50, measured),
      ...more,
      vs: { name: bare.name, value: bare.value, ratio: 1 },
    },
    all,
    bare,
  ];
}

async function memory(gateway: Server): Promise<Result[]> {
  const before = rssMiB(gateway);
  const stop = await drip(gateway.url, manyStreams, 100_000);
  await sleep(3000);
  const during = rssMiB(gateway);
  stop();
  return [single(`rss, ${manyStreams} streams open`, 'MiB', during, manyStreams), single('rss before', 'MiB', before)];
}

function rssMiB({ child }: Server): number {
  const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'));
  return Number(found?.[1] ?? Number.NaN) / 1024;
}

interface Figures {
  tokens: number;
  usd: number;
  calls: number;
}

async function settled(gateway: Server, node: string): Promise<Figures> {
  for (;;) {
    const level = (await gateway.ask(`levels ${node}`)) as { settled: Figures; reserved: Figures };
    if (level.reserved.calls === 0) return level.settled;
    await sleep(50);
  }
}

async function said(api: Server): Promise<{ calls: number; inputTokens: number; outputTokens: number }> {
  const { body } = await request(`${api.url}/said`);
  return (await body.json()) as never;
}

/** Every kind of answer, many at once; how many were refused. */
async function drive(gateway: Server, count: number, maxTokens: number): Promise<number> {
  let left = count;
  let refused = 0;
  const work = async () => {
    while (left-- > 0) {
      const { statusCode, body } = await post(gateway.url, left % 3 === 0 ? 'whole' : 'quick', {
        bytes: 3000,
        maxTokens,
      });
      await body.dump();
      if (statusCode !== 200) refused += 1;
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return refused;
}

async function exactness(api: Server, gateway: Server): Promise<Result[]> {
  const [before, saidBefore] = [await settled(gateway, 'fleet'), await said(api)];
  const began = performance.now();
  const refused = await drive(gateway, calls, 500);
  const seconds = (performance.now() - began) / 1000;
  const [after, saidAfter] = [await settled(gateway, 'fleet'), await said(api)];
  const counted = after.tokens - before.tokens;
  const spoken = saidAfter.inputTokens + saidAfter.outputTokens - saidBefore.inputTokens - saidBefore.outputTokens;
  if (refused > 0) throw new Error(`${refused} calls were refused without a limit`);
  return [
    single('tokens counted wrong', 'tokens', Math.abs(counted - spoken), calls),
    single('calls, one after the other on 16 connections', '1/s', calls / seconds, calls),
  ];
}

/** Sixteen at once run into a limit; what the model API itself says was used is held against it. */
async function overshoot(api: Server, gateway: Server): Promise<Result[]> {
  const [before, saidBefore] = [await settled(gateway, 'fleet'), await said(api)];
  const limit = { tokens: before.tokens + 400_000, usd: before.usd + 2 };
  const budget = { node: 'fleet', per: 'total', runSince: 0, calls: null, warnAt: 0.8, ...limit };
  await gateway.ask(`budget ${JSON.stringify(budget)}`);
  const refused = await drive(gateway, 1500, 2000);
  const [after, saidAfter] = [await settled(gateway, 'fleet'), await said(api)];
  const used = saidAfter.inputTokens + saidAfter.outputTokens - saidBefore.inputTokens - saidBefore.outputTokens;
  if (refused === 0) throw new Error('no call met the limit');
  return [
    single('overshoot', 'tokens', Math.max(0, after.tokens - limit.tokens, used - 400_000), 1500),
    single('overshoot', 'USD', Math.max(0, after.usd - limit.usd), 1500),
    single('of the limit used when calls were refused', '%', (100 * used) / 400_000, 1500),
  ];
}

export const gateway: Bench = async (say) => {
  const folder = mkdtempSync(join(tmpdir(), 'rf-bench-gw-'));
  const servers: Server[] = [];
  try {
    const api = await start('test/bench/model-server.ts');
    servers.push(api);
    const own = await start('test/support/gateway-server.ts', folder, api.url);
    servers.push(own);
    await own.ask(`grant ${JSON.stringify({ id: 'g1', ...grantFor(token) })}`);
    const results: Result[] = [];
    const parts = [
      ['time to first byte', () => timeToFirstByte(api, own)],
      ['memory', () => memory(own)],
      ['exactness', () => exactness(api, own)],
      ['overshoot', () => overshoot(api, own)],
    ] as const;
    for (const [name, measure] of parts) {
      const found = await measure();
      for (const { name: what, value, unit, p99 } of found)
        say(`gateway: ${name}: ${what} ${value} ${unit}${p99 === undefined ? '' : `, p99 ${p99}`}`);
      results.push(...found);
    }
    return results;
  } finally {
    for (const { child } of servers) child.kill();
    await dispatcher.destroy();
    rmSync(folder, { recursive: true, force: true });
  }
};
