import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { gatewayNodeFlags } from '../../src/daemon/gateway-process.ts';
import { grantFor } from '../support/gateway-process.ts';
import { type Asked, added, byTurns, type Turns } from './first-byte.ts';
import { findLiteLlm, startLiteLlm } from './litellm.ts';
import { against, type Bench, type Result, single } from './result.ts';

/** What the gateway adds to a call and takes of the machine, and whether its books are right to the token. */
const openStreams = 50;
const measured = 600;
const measuredOther = 150;
const rounds = 3;
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

function post(url: string, how: string, more: { bytes?: number; maxTokens?: number; key?: string } = {}) {
  const body = JSON.stringify({
    ...{ model: 'claude-sonnet-5', max_tokens: more.maxTokens ?? 1000, stream: how !== 'whole' },
    system: 'x'.repeat(more.bytes ?? 2000),
    messages: [{ role: 'user', content: how }],
  });
  const headers = { 'x-api-key': more.key ?? token, 'content-type': 'application/json' };
  return request(`${url}/v1/messages`, { method: 'POST', headers, body, dispatcher });
}

function asked({ url, key = token }: { url: string; key?: string }): Asked {
  return {
    firstByte: async () => {
      const began = performance.now();
      const { body, statusCode } = await post(url, 'quick', { bytes: 20_000, key });
      if (statusCode !== 200) throw new Error(`status ${statusCode}`);
      let at = 0;
      for await (const _ of body) at ||= performance.now();
      return at - began;
    },
    drip: (count) => drip(url, count, 2000, key),
  };
}

async function drip(url: string, count: number, bytes: number, key = token): Promise<() => void> {
  const streams = await Promise.all(Array.from({ length: count }, () => post(url, 'drip', { bytes, key })));
  for (const { body } of streams) body.on('error', () => {}).resume();
  return () => {
    for (const { body } of streams) body.destroy();
  };
}

/** With LiteLLM, where it is installed: in rounds by turns, since 50 streams keep it so busy that all else would be slow beside it. */
async function timeToFirstByte(api: Server, gateway: Server, folder: string): Promise<Result[]> {
  const program = findLiteLlm();
  const own: Turns = { bare: [], through: [] };
  const other: Turns = { bare: [], through: [] };
  const gather = async (into: Turns, proxy: { url: string; key?: string }, count: number) => {
    const { bare, through } = await byTurns(asked(api), asked(proxy), openStreams, count);
    into.bare.push(...bare);
    into.through.push(...through);
  };
  for (let round = 0; round < rounds; round++) {
    await gather(own, gateway, measured / rounds);
    if (program === null) continue;
    const litellm = await startLiteLlm(program, folder, api.url);
    try {
      await gather(other, litellm, measuredOther / rounds);
    } finally {
      await litellm.stop();
    }
  }
  const ours = added('gateway', openStreams, own);
  if (program === null) return ours;
  const theirs = added('LiteLLM', openStreams, other);
  return [...theirs.slice(0, 1).map((it) => against(it, ours[0])), ...ours, ...theirs.slice(1)];
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
      ['time to first byte', () => timeToFirstByte(api, own, folder)],
      ['memory', () => memory(own)],
      ['exactness', () => exactness(api, own)],
      ['overshoot', () => overshoot(api, own)],
    ] as const;
    for (const [name, measure] of parts) {
      const found = await measure();
      for (const { name: what, value, unit, p99, vs } of found)
        say(
          `gateway: ${name}: ${what} ${value} ${unit}${p99 === undefined ? '' : `, p99 ${p99}`}${vs === undefined ? '' : `, ${vs.ratio} times ${vs.name}`}`,
        );
      results.push(...found);
    }
    return results;
  } finally {
    for (const { child } of servers) child.kill();
    await dispatcher.destroy();
    rmSync(folder, { recursive: true, force: true });
  }
};
