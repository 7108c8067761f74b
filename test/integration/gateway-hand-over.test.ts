import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Health, Settlement } from '../../src/contract/gateway.ts';
import { createGatewayClient, type GatewayClient } from '../../src/gateway/client.ts';
import { isAlive } from '../../src/lib/alive.ts';
import { type Provider, startProvider } from '../fixtures/provider.ts';
import { type FakeGuest, startFakeGuest } from '../support/fake-guest.ts';
import {
  type GatewayProcess,
  grantFor,
  startGatewayProcess,
  stateEnvironment,
  statePaths,
  until,
} from '../support/gateway-process.ts';
import { openStreams, usageOf, wordsOf } from '../support/numbered-streams.ts';

/** Real gateway processes, one after the other, behind a real tunnel that takes one connection at a time, and the guest's real relay. */
const token = 'rft_handover00000000000000';
let folder: string;
let provider: Provider;
let guest: FakeGuest;
let client: GatewayClient;
const pids = new Set<number>();

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rf-gwh-'));
  provider = await startProvider();
  guest = await startFakeGuest(join(folder, 'g'));
  client = createGatewayClient(statePaths(folder).gatewaySocket);
});

afterEach(async () => {
  await client.close();
  for (const pid of pids) kill(pid);
  pids.clear();
  await guest.close();
  await provider.close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
});

/** To be ended with the test. */
function note(pid: number | undefined): void {
  if (pid !== undefined && pid > 0) pids.add(pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it is gone already
  }
}

function post(text: string) {
  return request(`${guest.url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': token, 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ model: 'claude-sonnet-4-6', stream: true, max_tokens: 2000 },
      messages: [{ role: 'user', content: text }],
    }),
  });
}

async function quick(): Promise<string> {
  const { statusCode, body } = await post('quick');
  const text = await body.text();
  return statusCode === 200 && text.includes('message_stop') ? 'ok' : `${statusCode}: ${text}`;
}

async function openFor(count: number) {
  await client.putTunnel('vm1', guest.tunnel);
  await client.putGrant('g1', grantFor(token));
  // Room for all that is open at its worst, and not for much more.
  await client.putBudgets([{ node: 'fleet', per: 'total', tokens: (count + 10) * 4500, usd: null, calls: null }]);
  await until('tunnel connected', async () => (await client.tunnels())[0]?.state === 'connected');
  return openStreams(provider, count, post);
}

const settled = async () => (await client.settlements(0, 10_000)).settlements;
const tokensOf = (it: Settlement) => it.inputTokens + it.cacheWriteTokens + it.outputTokens;
const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0);

/** Books and provider agree to the token, and nothing is open any more. */
async function expectExact(streams: number, quicks: number): Promise<void> {
  await until('nothing is reserved', async () => (await client.levels(['fleet']))[0]?.reserved.calls === 0);
  const all = await settled();
  expect(all.map((it) => it.seq)).toEqual(all.map((_, at) => at + 1));
  const used = [...Array(streams).keys(), ...Array(quicks).fill(7)].map(usageOf).map((it) => it.input + it.output);
  expect(all.map(tokensOf).toSorted()).toEqual(used.toSorted());
  expect(all.every((it) => it.counted === 'said' && it.flags.length === 0 && it.refused === null)).toBe(true);
  const [fleet] = await client.levels(['fleet']);
  expect(fleet?.settled).toMatchObject({ calls: streams + quicks, tokens: sum(used) });
  expect(provider.requests).toHaveLength(streams + quicks);
}

function expectWhole(texts: readonly (string | null)[], sent: readonly number[]): void {
  const words = sent.map((count, n) => Array.from({ length: count }, (_, at) => `[${n}.${at}]`));
  expect(texts.map(wordsOf)).toEqual(words);
}

describe('fifty open streams', () => {
  interface Daemon {
    child: ChildProcess;
    gatewayPid: number;
    upgrade(): Promise<Health>;
  }

  async function startDaemon(): Promise<Daemon> {
    const argv = ['test/support/stand-in-daemon.ts', '--upstream', provider.url, '--guest-socket', guest.guestSocket];
    const env = { ...stateEnvironment(folder), ANTHROPIC_API_KEY: 'sk-ant-not-a-key' };
    const child = spawn(process.execPath, argv, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const gatewayPid = Number((await lines.next()).value);
    for (const pid of [child.pid, gatewayPid]) note(pid);
    const upgrade = async () => {
      child.stdin.write('upgrade\n');
      const health: Health = JSON.parse(String((await lines.next()).value));
      note(health.pid);
      return health;
    };
    return { child, gatewayPid, upgrade };
  }

  it('outlive the daemon, killed with -9; the next one finds the gateway', async () => {
    const { child, gatewayPid } = await startDaemon();
    const streams = await openFor(50);
    child.kill('SIGKILL');
    const before = streams.sent();
    await until('all go on', () => streams.sent().every((words, n) => words > (before[n] ?? 0) + 2));
    expect((await startDaemon()).gatewayPid).toBe(gatewayPid);
    streams.finish();
    expectWhole(await streams.texts, streams.sent());
    await expectExact(50, 0);
  });

  it('outlive an upgrade of the gateway, and calls made meanwhile too', async () => {
    const daemon = await startDaemon();
    const streams = await openFor(50);
    const answers: string[] = [];
    let isOver = false;
    const others = (async () => {
      while (!isOver) answers.push(await quick());
    })();
    await until('calls pass', () => answers.length > 2);
    const next = await daemon.upgrade();
    expect(next.pid).not.toBe(daemon.gatewayPid);
    expect(next.leaving).toMatchObject([{ pid: daemon.gatewayPid, vms: 1 }]);
    const at = answers.length;
    await until('calls pass through the old tunnel into the new books', () => answers.length > at + 3);
    const before = streams.sent();
    await until('all go on', () => streams.sent().every((words, n) => words > (before[n] ?? 0) + 2));
    expect(isAlive(daemon.gatewayPid)).toBe(true);
    streams.finish();
    expectWhole(await streams.texts, streams.sent());
    isOver = true;
    await others;
    expect([...new Set(answers)]).toEqual(['ok']);
    await until('the old one has ended by itself', () => !isAlive(daemon.gatewayPid));
    expect(await quick()).toBe('ok');
    await expectExact(50, answers.length + 1);
    expect(await client.health()).toMatchObject({ pid: next.pid, leaving: [], openStreams: 0 });
    expect(readdirSync(statePaths(folder).runtime).filter((it) => /gateway-\d/.test(it))).toEqual([]);
  });

  it('outlive two upgrades, one upon the other', async () => {
    const daemon = await startDaemon();
    const first = await openFor(25);
    const [second, third] = [await daemon.upgrade(), await daemon.upgrade()];
    // The second had nothing under way, and is gone already or about to.
    expect(third.leaving).toContainEqual({ pid: daemon.gatewayPid, openCalls: 25, vms: 1 });
    expect(await quick()).toBe('ok');
    first.finish();
    expectWhole(await first.texts, first.sent());
    await until('only the last one runs', () => !isAlive(daemon.gatewayPid) && !isAlive(second.pid));
    expect(await quick()).toBe('ok');
    await expectExact(25, 2);
  });
});

describe('a hand-over', () => {
  async function start(more: { env?: Record<string, string>; takeOver?: boolean } = {}): Promise<GatewayProcess> {
    const started = await startGatewayProcess(folder, {
      ...{ upstream: provider.url, guestSocket: guest.guestSocket, takeOver: more.takeOver ?? false },
      env: { ANTHROPIC_API_KEY: 'sk-ant-not-a-key', ...more.env },
    });
    note(started.child.pid);
    return started;
  }
  it('does not begin when the new one could not go on: without the credential, or older than the books', async () => {
    const old = await start();
    const streams = await openFor(2);
    await expect(start({ takeOver: true, env: { ANTHROPIC_API_KEY: '' } })).rejects.toThrow(/this one has none/);
    const books = new DatabaseSync(statePaths(folder).gasDb);
    const version = books.prepare('PRAGMA user_version').get()?.['user_version'];
    books.exec('PRAGMA user_version = 99');
    await expect(start({ takeOver: true })).rejects.toThrow(/is of version 99/);
    books.exec(`PRAGMA user_version = ${version}`);
    books.close();
    expect((await client.health()).pid).toBe(old.child.pid);
    streams.finish();
    expectWhole(await streams.texts, streams.sent());
    await expectExact(2, 0);
  });

  const crashAt = (step: string) => ({ env: { RALPH_FLEET_GATEWAY_CRASH: step } });
  const count = 4;

  it.each([
    'leaving:listens',
    'leaving:books',
    'leaving:free',
    'leaving:released',
    'next:asks',
    'next:answered',
    'next:locked',
    'next:called',
    'next:books',
    'next:ready',
    'next:settled',
  ])('cut off by kill -9 at %s comes back by itself, loses nothing and counts nothing twice', async (step) => {
    const isOld = step.startsWith('leaving');
    const old = await start(isOld ? crashAt(step) : {});
    const streams = await openFor(count);
    const next = await start({ ...(isOld ? {} : crashAt(step)), takeOver: true }).catch(() => null);
    if (step === 'next:settled' || step === 'leaving:released') streams.finish();
    const killed = isOld ? old.child : next?.child;
    if (killed !== undefined) await until('it was killed', () => killed.signalCode === 'SIGKILL');
    // What the daemon does when nobody answers it.
    if ((await client.look()) === null) await start();
    expect(await quick()).toBe('ok');
    streams.finish();
    const texts = await streams.texts;
    const sent = streams.sent();
    const isCut = isOld && step !== 'leaving:released';
    if (isCut) expect(texts).toEqual(Array(count).fill(null));
    else expectWhole(texts, sent);
    expect(await quick()).toBe('ok');
    if (!isCut) return expectExact(count, 2);
    await until('nothing is reserved', async () => (await client.levels(['fleet']))[0]?.reserved.calls === 0);
    const all = await settled();
    expect(all).toHaveLength(count + 2);
    const flagged = all.filter((it) => it.flags.includes('unsettled'));
    expect(flagged).toHaveLength(count);
    for (const it of flagged) expect(tokensOf(it)).toBeGreaterThan(2000);
    const [fleet] = await client.levels(['fleet']);
    expect(fleet?.settled).toMatchObject({ calls: count + 2, tokens: sum(all.map(tokensOf)) });
  });
});
