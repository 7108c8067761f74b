import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ModelApi, startModelApi } from '../fixtures/model-api.ts';
import { type FakeGuest, startFakeGuest } from '../support/fake-guest.ts';
import { type GatewayProcess, grantFor, startGatewayProcess, statePaths, until } from '../support/gateway-process.ts';

/** Real gateway process, real ssh tunnel through a real sshd, a scripted model API behind it. */
const secret = `sk-ant-planted-${randomBytes(12).toString('hex')}`;
const token = `rft_${randomBytes(16).toString('hex')}`;
let folder: string;
let api: ModelApi;
let guest: FakeGuest;
let gateway: GatewayProcess;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rf-gw-'));
  api = await startModelApi();
  guest = await startFakeGuest(join(folder, 'g'));
  gateway = await start();
  await gateway.client.putTunnel('vm1', guest.tunnel);
  await connected();
});

afterEach(async () => {
  if (gateway.child.exitCode === null && gateway.child.signalCode === null) await gateway.end('SIGKILL');
  await guest.close();
  await api.close();
  rmSync(folder, { recursive: true, force: true });
});

function start(): Promise<GatewayProcess> {
  return startGatewayProcess(folder, {
    upstream: api.url,
    guestSocket: guest.guestSocket,
    env: { ANTHROPIC_API_KEY: secret },
  });
}

function connected() {
  return until('tunnel connected', async () => (await gateway.client.tunnels())[0]?.state === 'connected');
}

function post(body: unknown, more: { path?: string; headers?: Record<string, string>; signal?: AbortSignal } = {}) {
  return request(`${guest.url}${more.path ?? '/v1/messages?beta=true'}`, {
    method: 'POST',
    headers: { 'x-api-key': token, 'anthropic-version': '2023-06-01', cookie: 'guest=1', ...more.headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    reset: true,
    ...(more.signal ? { signal: more.signal } : {}),
  });
}

function message(text: string, more: Record<string, unknown> = {}) {
  return { model: 'claude-sonnet-4-6', stream: true, messages: [{ role: 'user', content: text }], ...more };
}

async function settlements() {
  return (await gateway.client.settlements(0)).settlements;
}

describe('a granted call', () => {
  beforeEach(() => gateway.client.putGrant('g1', grantFor(token)));

  it('reaches the model API with the credential of the host and is settled as the model API said', async () => {
    const usage = {
      input_tokens: 1000,
      cache_creation_input_tokens: 200,
      cache_read_input_tokens: 5000,
      output_tokens: 300,
    };
    api.setRules([{ reply: { text: 'Hello, wörld! '.repeat(20), usage, headers: { 'set-cookie': 'a=b' } } }]);
    const answer = await post(message('hi'));
    const text = await answer.body.text();
    expect(answer.statusCode).toBe(200);
    expect(text).toContain('"type":"message_stop"');
    expect(answer.headers['set-cookie']).toBeUndefined();
    expect(api.requests[0]?.headers).toMatchObject({ 'x-api-key': secret, 'anthropic-version': '2023-06-01' });
    expect(JSON.stringify(api.requests)).not.toContain(token);
    expect(api.requests[0]?.headers['cookie']).toBeUndefined();
    expect(api.requests[0]?.url).toBe('/v1/messages?beta=true');
    const usd = (1000 * 3 + 200 * 3.75 + 5000 * 0.3 + 300 * 15) / 1e6;
    const [settled, ...rest] = await settlements();
    expect(rest).toEqual([]);
    expect(settled).toMatchObject({
      ...{ seq: 1, grant: 'g1', project: 'p1', task: 'T1', ralph: 'r1', iteration: 'i1', model: 'claude-sonnet-4-6' },
      ...{ inputTokens: 1000, cacheWriteTokens: 200, cacheReadTokens: 5000, outputTokens: 300 },
      ...{ status: 200, refused: null, retryAt: null, priceKnown: true },
    });
    expect(settled?.usd).toBeCloseTo(usd, 9);
    const [level] = await gateway.client.levels(['task:T1']);
    expect(level?.settled).toEqual({ tokens: 1500, usd: settled?.usd, calls: 1 });
    expect(level?.reserved).toEqual({ tokens: 0, usd: 0, calls: 0 });
  });

  it('is timed, from its first byte up to its last one down; one that did not go up is not', async () => {
    api.setRules([{ reply: { text: 'hello' } }]);
    await (await post(message('hi'))).body.text();
    await gateway.client.deleteGrant('g1');
    await (await post(message('again'))).body.text();
    const count = async (name: string) => {
      const { values = [] } = (await gateway.client.figures()).find((it) => it.name === `ralph_fleet_${name}`) ?? {};
      // Of a provider that was never called it is 0.
      return values.filter(({ metricName, value }) => metricName.endsWith('_count') && value > 0);
    };
    const one = [{ value: 1, labels: { provider: 'anthropic' } }];
    expect(await count('gateway_first_byte_seconds')).toMatchObject(one);
    expect(await until('it is over', async () => (await count('gateway_request_seconds')).length > 0)).toBe(true);
    expect(await count('gateway_request_seconds')).toMatchObject(one);
  });

  it('passes large bodies unchanged both ways, on one connection and on many', async () => {
    const said = randomBytes(1_200_000).toString('base64');
    api.setRules([{ reply: { text: said, thinking: 'hm', usage: { output_tokens: 60_000 } } }]);
    const up = JSON.stringify(message(randomBytes(2_000_000).toString('base64'), { stream: false }));
    const answers = await Promise.all([1, 2, 3, 4].map(async () => (await post(up)).body.json()));
    for (const answer of answers as { content: { text?: string }[] }[]) expect(answer.content[1]?.text).toBe(said);
    const hash = createHash('sha256').update(up).digest('hex');
    expect(api.requests.map((it) => it.bodySha256)).toEqual([hash, hash, hash, hash]);
    const streamed = await (await post(message('again'))).body.text();
    const pieces = streamed.match(/"text_delta","text":"([^"]*)"/g)?.map((it) => it.slice(21, -1)) ?? [];
    expect(pieces.join('').length).toBe(said.length);
    expect((await settlements()).map((it) => it.outputTokens)).toEqual(Array(5).fill(60_000));
  });

  it('is only as fast as its reader: memory does not grow with the answer', async () => {
    const piece = Buffer.alloc(1024 * 1024, 'x');
    let sent = 0;
    const source = createServer((req, res) => {
      req.resume();
      res.writeHead(200, { 'content-type': 'application/json' });
      const fill = () => {
        while (sent < 400 && !res.destroyed) {
          sent += 1;
          if (!res.write(piece)) return;
        }
        res.end();
      };
      res.on('drain', fill);
      fill();
    });
    await new Promise<void>((resolve) => source.listen(0, '127.0.0.1', resolve));
    try {
      await gateway.end('SIGTERM');
      const url = `http://127.0.0.1:${(source.address() as AddressInfo).port}`;
      gateway = await startGatewayProcess(folder, {
        upstream: url,
        guestSocket: guest.guestSocket,
        env: { ANTHROPIC_API_KEY: secret },
      });
      await connected();
      const { body } = await post(message('hi'));
      let still = 0;
      let before = -1;
      await until('the source waits for the reader', async () => {
        still = sent === before ? still + 1 : 0;
        before = sent;
        return still > 25;
      });
      expect(sent).toBeLessThan(100);
      let bytes = 0;
      for await (const chunk of body) bytes += (chunk as Buffer).length;
      expect(bytes).toBe(400 * piece.length);
    } finally {
      source.closeAllConnections();
      source.close();
    }
  });

  it('is settled with the status and reset time of a limit', async () => {
    api.setRules([{ reply: { status: 429, headers: { 'retry-after': '120' } } }]);
    const before = Date.now();
    const answer = await post(message('hi'));
    expect(answer.statusCode).toBe(429);
    expect(answer.headers['retry-after']).toBe('120');
    await answer.body.dump();
    const [settled] = await settlements();
    expect(settled).toMatchObject({ status: 429, refused: 'upstream', model: 'claude-sonnet-4-6', usd: 0 });
    expect(settled?.retryAt).toBeGreaterThanOrEqual(before + 120_000);
  });

  it('is a sign of life of its iteration, while it is open and after', async () => {
    const calls = async () => gateway.client.calls();
    const [before] = await calls();
    api.setRules([{ reply: { text: 'x'.repeat(800), stall: 'middle' } }]);
    const leave = new AbortController();
    const answer = await post(message('hi'), { signal: leave.signal });
    for await (const _ of answer.body) break;
    const [open] = await calls();
    expect(open).toMatchObject({ open: 1, begun: (before?.begun ?? 0) + 1 });
    leave.abort();
    await until('none is open', async () => (await calls())[0]?.open === 0);
    expect(await calls()).toEqual([{ ...open, open: 0 }]);
    await gateway.client.deleteGrant(open?.grant ?? '');
    expect(await calls()).toEqual([]);
  });

  it('is settled with what was seen when the client goes away, and the upstream call ends', async () => {
    api.setRules([{ reply: { text: 'x'.repeat(800), stall: 'middle', usage: { input_tokens: 777 } } }]);
    const leave = new AbortController();
    const answer = await post(message('hi'), { signal: leave.signal });
    for await (const _ of answer.body) break; // leaves in the middle of the stream
    leave.abort();
    const [settled] = await until('settled', async () => ((await settlements()).length > 0 ? settlements() : null));
    expect(settled).toMatchObject({ inputTokens: 777, status: 200, refused: null });
    expect(settled?.outputTokens).toBeGreaterThan(1);
    await until('upstream let go', () => api.openAnswers() === 0);
    expect((await gateway.client.health()).openStreams).toBe(0);
  });

  it('is settled with what was seen when the upstream breaks off; before an answer it is a 502', async () => {
    api.setRules([
      { lastUser: 'middle', reply: { text: 'x'.repeat(800), cut: 'middle', usage: { input_tokens: 55 } } },
      { lastUser: 'headers', reply: { cut: 'headers' } },
    ]);
    const answer = await post(message('middle'));
    await expect(answer.body.text()).rejects.toThrow();
    const refused = await post(message('headers'));
    expect(refused.statusCode).toBe(502);
    await refused.body.dump();
    expect(await settlements()).toMatchObject([
      { inputTokens: 55, status: 0, refused: 'upstream', counted: 'delivered' },
      // It went up, and nobody said what became of it.
      { outputTokens: 64_000, status: 0, refused: 'upstream', model: 'claude-sonnet-4-6', counted: 'worst' },
    ]);
  });

  it('counts nothing for count_tokens, and prices an unknown model as the dearest', async () => {
    const counted = await post(message('hi'), { path: '/v1/messages/count_tokens' });
    expect(await counted.body.json()).toHaveProperty('input_tokens');
    expect(await settlements()).toEqual([]);
    const answer = await post(message('hi', { model: 'claude-next-9' }));
    await answer.body.dump();
    expect(await settlements()).toMatchObject([
      { model: 'claude-next-9', priceKnown: false, usd: (100 * 15 + 20 * 75) / 1e6 },
    ]);
  });

  it('ends at once with its grant', async () => {
    api.setRules([{ reply: { text: 'x', stall: 'start' } }]);
    const answer = await post(message('hi'));
    await gateway.client.deleteGrant('g1');
    await expect(answer.body.text()).rejects.toThrow();
    const late = await post(message('hi'));
    expect(late.statusCode).toBe(403);
    await late.body.dump();
    expect(api.requests).toHaveLength(1);
    expect((await settlements()).map((it) => it.refused)).toEqual([null, 'token-expired']);
  });
});

describe('what is not granted', () => {
  it.each([
    ['no token', {}, { 'x-api-key': '' }],
    ['an unknown token', {}, { 'x-api-key': 'rft_other' }],
    ['the token of another VM', { vm: 'vm2' }, {}],
    ['an expired token', { expiresAt: 1 }, {}],
    ["the host's own key", {}, { 'x-api-key': secret }],
  ])('is refused: %s', async (_name, grant, headers) => {
    await gateway.client.putGrant('g1', grantFor(token, grant));
    for (let n = 0; n < 3; n++) {
      const answer = await post(message('hi'), { headers: headers as Record<string, string> });
      expect(answer.statusCode).toBe(403);
      expect(answer.headers['x-should-retry']).toBe('false');
      expect(await answer.body.json()).toMatchObject({ type: 'error', error: { type: 'permission_error' } });
    }
    expect(api.requests).toEqual([]);
    expect(await settlements()).toHaveLength(1); // a loop of refusals does not fill the ledger
  });

  it('is 404: other paths, methods and odd queries', async () => {
    await gateway.client.putGrant('g1', grantFor(token));
    for (const path of [
      '/',
      '/v1/models',
      '/v1/messages/',
      '/v1/messages/../organizations',
      '/v1/messages?a=%0d',
      '//x/v1/messages',
    ]) {
      const answer = await post(message('hi'), { path });
      expect([path, answer.statusCode]).toEqual([path, 404]);
      await answer.body.dump();
    }
    expect((await request(`${guest.url}/api/hello`, { method: 'HEAD' })).statusCode).toBe(200);
    expect(api.requests).toEqual([]);
  });
});

describe('the process', () => {
  it('comes back after kill -9 in the middle of a stream with consistent books', async () => {
    await gateway.client.putGrant('g1', grantFor(token));
    const budget = { node: 'task:T1', per: 'total', tokens: 5000, usd: null, calls: null } as const;
    await gateway.client.putBudgets([budget]);
    api.setRules([
      { lastUser: 'slow', reply: { text: 'x'.repeat(400), stall: 'middle', usage: { input_tokens: 900 } } },
    ]);
    const small = { max_tokens: 1000 };
    await (await post(message('quick', small))).body.dump();
    const answer = await post(message('slow', small));
    for await (const chunk of answer.body) if (String(chunk).includes('text_delta')) break;
    await gateway.end('SIGKILL');
    gateway = await start(); // same folder: lock, socket file, ledger and the socket in the guest are all left over
    await connected(); // restored from the ledger
    const [first, second] = await settlements();
    expect(first).toMatchObject({ seq: 1, inputTokens: 100, status: 200, flags: [] });
    // It can only be counted at its worst, and that is said.
    expect(second).toMatchObject({
      seq: 2,
      outputTokens: 1000,
      status: 0,
      refused: 'upstream',
      counted: 'worst',
      flags: ['unsettled'],
    });
    expect(second?.inputTokens).toBeGreaterThan(2000);
    const refused = await post(message('quick', small));
    expect(refused.statusCode).toBe(402); // grant, limit and spend are all still known
    await refused.body.dump();
    expect((await settlements()).map((it) => it.seq)).toEqual([1, 2, 3]);
  });

  it('runs once per state folder, and drains before it stops', async () => {
    await expect(start()).rejects.toThrow(/ended with 4.*process \d+ holds/s);
    await gateway.client.putGrant('g1', grantFor(token));
    api.setRules([{ reply: { text: 'x'.repeat(2000), paceMs: 20 } }]);
    const answer = await post(message('hi'));
    const ended = gateway.end('SIGTERM');
    expect(await answer.body.text()).toContain('message_stop');
    expect(await ended).toBe(0);
    gateway = await start();
    expect(await settlements()).toMatchObject([{ status: 200, outputTokens: 20 }]);
  });

  it('connects again when a tunnel breaks, and refuses a guest with another host key', async () => {
    guest.cutTunnel();
    await gateway.client.putGrant('g1', grantFor(token));
    await until('reachable again', () =>
      request(`${guest.url}/api/hello`, { reset: true }).then(
        (it) => it.statusCode === 200,
        () => false,
      ),
    );
    const other = await startFakeGuest(join(folder, 'other'));
    try {
      await gateway.client.putTunnel('vm1', { ...guest.tunnel, hostKey: other.tunnel.hostKey });
      const [state] = await until('refused', async () => {
        const states = await gateway.client.tunnels();
        return states[0]?.state === 'failed' ? states : null;
      });
      expect(state?.error).toMatch(/host/i);
      await gateway.client.deleteTunnel('vm1');
      expect(await gateway.client.tunnels()).toEqual([]);
    } finally {
      await other.close();
    }
  });

  it('refuses wrong control requests with every problem named', async () => {
    const wrong = grantFor(token, { tokenHash: 'x', vm: 5 as never });
    await expect(gateway.client.putGrant('g1', wrong)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(/tokenHash.*vm/),
    });
    await expect(gateway.client.putGrant('../x y', grantFor(token))).rejects.toMatchObject({ code: 'usage' });
    await gateway.client.putGrant('g1', grantFor(token));
    await gateway.client.putGrant('g1', grantFor(token));
    await expect(gateway.client.putGrant('g2', grantFor(token))).rejects.toMatchObject({ code: 'refused' });
    await gateway.end('SIGTERM');
    await expect(gateway.client.health()).rejects.toMatchObject({ code: 'gateway_unavailable' });
    expect(statePaths(folder).gatewaySocket).toContain(folder);
  });
});
