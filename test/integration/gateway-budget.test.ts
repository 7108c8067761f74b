import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ModelApi, startModelApi } from '../fixtures/model-api.ts';
import { type FakeGuest, startFakeGuest } from '../support/fake-guest.ts';
import { type GatewayProcess, grantFor, startGatewayProcess, until } from '../support/gateway-process.ts';

/** Budgets on the wire: the real gateway process behind a real tunnel, and a model API that stalls and cuts when told. */
const tokens = { T1: `rft_${randomBytes(16).toString('hex')}`, T2: `rft_${randomBytes(16).toString('hex')}` };
let folder: string;
let api: ModelApi;
let guest: FakeGuest;
let gateway: GatewayProcess;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rf-gwb-'));
  api = await startModelApi();
  guest = await startFakeGuest(join(folder, 'g'));
  gateway = await start();
  await gateway.client.putTunnel('vm1', guest.tunnel);
  for (const task of ['T1', 'T2'] as const) {
    await gateway.client.putGrant(
      `g${task}`,
      grantFor(tokens[task], { task, ralph: `r${task}`, iteration: `i${task}` }),
    );
  }
  await connected();
});

afterEach(async () => {
  if (gateway.child.exitCode === null && gateway.child.signalCode === null) await gateway.end('SIGKILL');
  await guest.close();
  await api.close();
  rmSync(folder, { recursive: true, force: true });
});

function start(): Promise<GatewayProcess> {
  const env = { ANTHROPIC_API_KEY: 'sk-ant-not-a-key' };
  return startGatewayProcess(folder, { upstream: api.url, guestSocket: guest.guestSocket, env });
}

function connected() {
  return until('tunnel connected', async () => (await gateway.client.tunnels())[0]?.state === 'connected');
}

/** Its worst case is about 2,200 tokens of input and 1,000 of output. */
function post(text: string, more: { task?: 'T1' | 'T2'; body?: Record<string, unknown>; signal?: AbortSignal } = {}) {
  const messages = [{ role: 'user', content: text }];
  const body = { model: 'claude-sonnet-4-6', max_tokens: 1000, stream: true, messages, ...more.body };
  return request(`${guest.url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': tokens[more.task ?? 'T1'] },
    body: JSON.stringify(body),
    reset: true,
    ...(more.signal ? { signal: more.signal } : {}),
  });
}

async function statusOf(answer: ReturnType<typeof post>): Promise<number> {
  const { statusCode, body } = await answer;
  await body.dump();
  return statusCode;
}

function limit(node: string, more: { tokens?: number; usd?: number; calls?: number }, per: 'total' | 'day' = 'total') {
  return gateway.client.putBudgets([{ node, per, tokens: null, usd: null, calls: null, ...more }]);
}

async function level(node: string) {
  const [found] = await gateway.client.levels([node]);
  if (found === undefined) throw new Error(node);
  return found;
}

async function settlements() {
  return (await gateway.client.settlements(0)).settlements;
}

const stalls = { lastUser: 'stall', reply: { text: 'x'.repeat(400), stall: 'middle' as const } };

describe('a budget', () => {
  it('refuses a call that would pass it by itself, before it leaves', async () => {
    await limit('task:T1', { tokens: 3000 });
    const answer = await post('hi');
    expect(answer.statusCode).toBe(402);
    expect(answer.headers['x-should-retry']).toBe('false');
    expect(await answer.body.json()).toMatchObject({
      error: {
        type: 'billing_error',
        message: expect.stringMatching(/^Task `T1` is over its budget: 0 .* could take \d+ tokens\.$/),
      },
    });
    expect(await statusOf(post('hi', { task: 'T2' }))).toBe(200);
    expect(api.requests).toHaveLength(1);
    const [refused] = await settlements();
    expect(refused).toMatchObject({
      status: 402,
      refused: 'tokens',
      shortfall: { node: 'task:T1', unit: 'tokens', limit: 3000 },
    });
    expect((await level('task:T1')).settled).toEqual({ tokens: 0, usd: 0, calls: 0 });
  });

  it.each([
    ['the fleet', 'fleet'],
    ['the project', 'project:p1'],
    ['the task', 'task:T1'],
    ['the Ralph', 'ralph:rT1'],
  ])('of %s is kept to in tokens, dollars and calls', async (_name, node) => {
    for (const [unit, most] of [
      ['calls', 2],
      ['tokens', 3500],
      ['usd', 0.025],
    ] as const) {
      const before = (await level(node)).settled[unit];
      await limit(node, { [unit]: before + most });
      const statuses = [];
      for (let n = 0; n < 12; n++) statuses.push(await statusOf(post('hi')));
      const after = await level(node);
      expect([unit, statuses.includes(200), statuses.at(-1)]).toEqual([unit, true, 402]);
      expect(after.settled[unit]).toBeLessThanOrEqual(before + most);
    }
  });

  it('reserves the worst case while a call is open, and gives back what was not used', async () => {
    await limit('fleet', { tokens: 100_000 });
    const leave = new AbortController();
    api.setRules([stalls]);
    const answer = await post('stall', { signal: leave.signal });
    const open = await level('fleet');
    expect(open).toMatchObject({ settled: { calls: 0 }, reserved: { calls: 1 } });
    expect(open.reserved.tokens).toBeGreaterThan(3000);
    expect(open.reserved.usd).toBeCloseTo(((open.reserved.tokens - 1000) * 3 + 1000 * 15) / 1e6, 9);
    for await (const _ of answer.body) break;
    leave.abort();
    await until('settled', async () => (await level('fleet')).settled.calls === 1);
    const after = await level('fleet');
    expect(after.reserved).toEqual({ tokens: 0, usd: 0, calls: 0 });
    expect(after.settled.tokens).toBeLessThan(open.reserved.tokens);
  });

  it('holds a call while only the reservations of others stand in its way, the oldest first', async () => {
    await limit('fleet', { tokens: 5000 });
    const leave = new AbortController();
    api.setRules([stalls]);
    const open = await post('stall', { signal: leave.signal });
    const first = post('one', { task: 'T2' });
    await until('held', async () => (await level('fleet')).held === 1);
    const second = post('two');
    await until('both held', async () => (await level('fleet')).held === 2);
    expect((await level('task:T2')).held).toBe(1);
    expect(api.requests).toHaveLength(1);
    for await (const _ of open.body) break;
    leave.abort();
    expect([await statusOf(first), await statusOf(second)]).toEqual([200, 200]);
    expect(api.requests.map((it) => it.lastUser)).toEqual(['stall', 'one', 'two']);
    const held = (await settlements()).map((it) => it.heldMs > 0);
    expect(held).toEqual([false, true, true]);
  });

  it('lets a held call go when it is raised, and forgets one whose agent went away', async () => {
    await limit('project:p1', { tokens: 5000 });
    const [leave, leaveHeld] = [new AbortController(), new AbortController()];
    api.setRules([stalls]);
    await post('stall', { signal: leave.signal });
    const gone = post('gone', { signal: leaveHeld.signal });
    await until('held', async () => (await level('project:p1')).held === 1);
    const waits = post('waits', { task: 'T2' });
    await until('both held', async () => (await level('project:p1')).held === 2);
    leaveHeld.abort();
    await expect(gone).rejects.toThrow();
    await until('one is left', async () => (await level('project:p1')).held === 1);
    await limit('project:p1', { tokens: 50_000 });
    expect(await statusOf(waits)).toBe(200);
    expect(api.requests.map((it) => it.lastUser)).toEqual(['stall', 'waits']);
    await gateway.client.deleteGrant('gT1');
    await until('nothing is open', async () => (await level('fleet')).reserved.calls === 0);
  });

  it('lowers the output limit to what is left, and says so; nothing else of the body changes', async () => {
    await limit('task:T1', { tokens: 20_000 });
    const body = { max_tokens: 32_000, temperature: 0.5 };
    expect(await statusOf(post('hi', { body }))).toBe(200);
    const [settled] = await settlements();
    expect(settled?.lowered).toMatchObject({ from: 32_000 });
    const to = settled?.lowered?.to ?? 0;
    expect(to).toBeGreaterThan(17_000);
    const seen = api.requests[0];
    expect(JSON.parse(seen?.body ?? '')).toEqual({
      ...{ model: 'claude-sonnet-4-6', max_tokens: to, stream: true, temperature: 0.5 },
      messages: [{ role: 'user', content: 'hi' }],
    });
    // Not below what it wants to think, nor below 1,024.
    const thinking = { type: 'enabled', budget_tokens: 19_000 };
    expect(await statusOf(post('hi', { body: { ...body, thinking } }))).toBe(402);
    await limit('task:T1', { tokens: 3300 });
    expect(await statusOf(post('hi', { body }))).toBe(402);
    expect(api.requests).toHaveLength(1);
  });

  it('of reviews is their own', async () => {
    await limit('task:T1', { calls: 1 });
    await limit('review:T1', { calls: 1 });
    await gateway.client.putGrant(
      'gT2',
      grantFor(tokens.T2, { task: 'T1', ralph: 'reviewer-1', iteration: 'i2', role: 'reviewer' }),
    );
    expect([await statusOf(post('a')), await statusOf(post('b', { task: 'T2' }))]).toEqual([200, 200]);
    expect([await statusOf(post('c')), await statusOf(post('d', { task: 'T2' }))]).toEqual([402, 402]);
    const refused = (await settlements())
      .filter((it) => it.shortfall !== null)
      .map((it) => [it.role, it.shortfall?.node]);
    expect(refused).toEqual([
      ['implementer', 'task:T1'],
      ['reviewer', 'review:T1'],
    ]);
  });

  it('warns once when its share is used, and what was open when the gateway died counts at its worst', async () => {
    await limit('task:T1', { tokens: 8000 });
    api.setRules([{ lastUser: 'big', reply: { usage: { input_tokens: 2100, output_tokens: 900 } } }, stalls]);
    for (let n = 0; n < 2; n++) expect(await statusOf(post('big'))).toBe(200);
    await post('stall', { task: 'T2' });
    await until('both open', () => api.openAnswers() === 1);
    const open = await level('fleet');
    await gateway.end('SIGKILL');
    gateway = await start();
    await connected();
    const after = await level('fleet');
    expect(after.reserved).toEqual({ tokens: 0, usd: 0, calls: 0 });
    expect(after.settled.tokens).toBe(open.settled.tokens + open.reserved.tokens);
    expect(after.settled.usd).toBeCloseTo(open.settled.usd + open.reserved.usd, 9);
    const all = await settlements();
    expect(all.map((it) => it.flags)).toEqual([[], [], ['unsettled']]);
    expect(all.flatMap((it) => it.warnings)).toEqual([]);
    await limit('task:T1', { tokens: 12_500 });
    for (let n = 0; n < 2; n++) await statusOf(post('big'));
    const warned = (await settlements()).flatMap((it) => it.warnings);
    expect(warned).toMatchObject([{ node: 'task:T1', unit: 'tokens', limit: 12_500, used: 12_000 }]);
  });
});
