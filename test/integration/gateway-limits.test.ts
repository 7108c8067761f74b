import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sendJson } from '../fixtures/provider.ts';
import { until } from '../support/gateway-process.ts';
import { type GatewayScene, openGatewayScene } from '../support/gateway-scene.ts';

/** Usage limits through the real gateway: learned from one call, shared by all of that credential, kept over a SIGKILL. */
let scene: GatewayScene;
beforeEach(async () => {
  scene = await openGatewayScene();
});
afterEach(() => scene.close());

const asked = { model: 'claude-sonnet-4-6', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] };
const answer = { model: 'claude-sonnet-4-6', content: [], usage: { input_tokens: 9, output_tokens: 9 } };
const openaiAsked = { model: 'gpt-6.2-sol', input: 'hi', max_output_tokens: 100 };
const hourMs = 3_600_000;
const inHours = (hours: number) => Math.floor(Date.now() / 1000) + hours * 3600;

function refusing(headers: Record<string, string>, status = 429) {
  return (res: ServerResponse) => {
    for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
    sendJson(res, { type: 'error', error: { type: 'rate_limit_error', message: 'too much' } }, status);
  };
}

function window(used: string, reset: number, status = 'allowed') {
  return {
    'anthropic-ratelimit-unified-status': status,
    'anthropic-ratelimit-unified-reset': String(reset),
    'anthropic-ratelimit-unified-representative-claim': 'five_hour',
    'anthropic-ratelimit-unified-5h-status': status,
    'anthropic-ratelimit-unified-5h-reset': String(reset),
    'anthropic-ratelimit-unified-5h-utilization': used,
  };
}

async function post(token: string, path = '/v1/messages', body: unknown = asked) {
  const { statusCode, headers, body: stream } = await scene.post(token, path, body);
  return { status: statusCode, headers, text: await stream.text() };
}

describe('a window of hours that is used up', () => {
  it('is learned once, ends every CLI of that credential at once, and outlives the gateway', async () => {
    const [first, second] = [await scene.grant('A'), await scene.grant('B')];
    const reset = inHours(3);
    scene.provider.answer = refusing(window('1', reset, 'rejected'));
    const met = await post(first);
    expect([met.status, met.headers['x-should-retry']]).toEqual([429, 'false']);
    expect(Number(met.headers['retry-after'])).toBeGreaterThan(3 * 3600 - 60);
    expect(met.text).toContain('the 5-hour limit of anthropic is reached');
    expect((await post(second)).status).toBe(429);
    expect((await post(second, '/v1/messages/count_tokens')).status).toBe(429);
    await scene.gateway.end('SIGKILL');
    await scene.restart();
    expect(await post(first)).toMatchObject({ status: 429, text: expect.stringContaining('5-hour limit') });
    expect(scene.provider.requests).toHaveLength(1);

    expect(await scene.settled('A')).toMatchObject([
      { status: 429, refused: 'upstream', fault: 'limit', retryAt: reset * 1000, usd: 0, counted: 'nothing' },
      { status: 429, refused: 'limit', fault: 'limit', retryAt: reset * 1000, usd: 0 },
    ]);
    expect(await scene.settled('B')).toMatchObject([{ refused: 'limit', fault: 'limit', retryAt: reset * 1000 }]);
    expect(await scene.gateway.client.limits()).toMatchObject({
      limits: [{ provider: 'anthropic', window: '5h', cause: 'reached', usedRatio: 1, until: reset * 1000 }],
    });
    expect((await scene.level('fleet')).reserved.calls).toBe(0);

    const [limit] = (await scene.gateway.client.limits()).limits;
    await scene.gateway.client.deleteLimit(limit?.id ?? '', limit?.since ?? 0);
    scene.provider.answer = (res) => sendJson(res, answer);
    expect((await post(second)).status).toBe(200);
  });

  it('limits one provider, and is refused to Codex in a form that ends it', async () => {
    const token = await scene.grant('C');
    scene.provider.answer = refusing({ 'retry-after': '7200' });
    expect((await post(token, '/v1/responses', openaiAsked)).status).toBe(400);
    const again = await post(token, '/v1/responses', openaiAsked);
    expect([again.status, JSON.parse(again.text).error.type]).toEqual([400, 'insufficient_quota']);
    expect(scene.provider.requests).toHaveLength(1);
    scene.provider.answer = (res) => sendJson(res, answer);
    expect((await post(token)).status).toBe(200);
  });
});

describe('a limit of seconds', () => {
  it('is passed on, what others ask meanwhile waits, and nobody is parked', async () => {
    const [first, second] = [await scene.grant('S1'), await scene.grant('S2')];
    scene.provider.answer = refusing({ 'retry-after': '2' });
    const met = await post(first);
    expect([met.status, met.headers['retry-after'], met.text]).toEqual([429, '2', expect.stringContaining('too much')]);
    const metAt = Date.now();
    scene.provider.answer = (res) => sendJson(res, answer);
    expect((await post(second)).status).toBe(200);
    expect(Date.now() - metAt).toBeGreaterThan(1500);
    expect(scene.provider.requests).toHaveLength(2);
    expect(await scene.settled('S1')).toMatchObject([{ status: 429, fault: '429', retryAt: expect.any(Number) }]);
    expect((await scene.gateway.client.limits()).limits).toEqual([]);
  });

  it('is waited for no longer than its iteration lasts', async () => {
    const [first, second] = [await scene.grant('S3'), await scene.grant('S4')];
    scene.provider.answer = refusing({ 'retry-after': '50' });
    await post(first);
    const waiting = post(second).catch(() => 'cut off');
    await until('it waits', async () => (await scene.gateway.client.health()).openStreams === 1);
    await scene.gateway.client.deleteGrant('g-S4');
    expect(await waiting).toBe('cut off');
    expect(scene.provider.requests).toHaveLength(1);
  });
});

describe('what is kept free for the person', () => {
  it('stops calls before the window is full, also after a restart, and gives way when less is wanted', async () => {
    const token = await scene.grant('K');
    await scene.gateway.client.putKeepFree(0.1);
    const reset = inHours(2);
    scene.provider.answer = (res) => {
      for (const [name, value] of Object.entries(window('0.91', reset))) res.setHeader(name, value);
      sendJson(res, answer);
    };
    expect((await post(token)).status).toBe(200);
    const kept = await post(token);
    expect(kept).toMatchObject({ status: 429, text: expect.stringContaining('kept free for you') });
    await scene.gateway.end('SIGKILL');
    await scene.restart();
    expect((await post(token)).status).toBe(429);
    expect(scene.provider.requests).toHaveLength(1);
    expect(await scene.gateway.client.limits()).toMatchObject({
      limits: [{ cause: 'kept-free', usedRatio: 0.91, until: reset * 1000 }],
      windows: [{ provider: 'anthropic', window: '5h', usedRatio: 0.91 }],
    });
    await scene.gateway.client.putKeepFree(0.05);
    expect((await post(token)).status).toBe(200);
    await expect(scene.gateway.client.putKeepFree(1)).rejects.toThrow('not valid');
  });
});

describe('a provider', () => {
  it('that says nonsense limits nobody, or for eight days at most', async () => {
    const token = await scene.grant('N');
    const nonsense = [
      { 'retry-after': '-1' },
      { 'retry-after': 'NaN' },
      { 'retry-after': 'x'.repeat(8000) },
      { 'retry-after': 'Sat, 21 Nov 1999 00:00:00 GMT' },
      window('1e99', -5, 'rejected'),
      {},
    ];
    for (const headers of nonsense) {
      scene.provider.answer = refusing(headers);
      expect([headers, (await post(token)).status]).toEqual([headers, 429]);
    }
    expect(scene.provider.requests).toHaveLength(nonsense.length);
    scene.provider.answer = refusing({ 'retry-after': 'Fri, 31 Dec 9999 23:59:59 GMT' });
    await post(token);
    const { limits } = await scene.gateway.client.limits();
    expect((limits[0]?.until ?? 0) - Date.now()).toBeLessThanOrEqual(8 * 24 * hourMs);
    expect((limits[0]?.until ?? 0) - Date.now()).toBeGreaterThan(7 * 24 * hourMs);
  });

  it('that sends headers without end is as good as away', async () => {
    const token = await scene.grant('H');
    scene.provider.answer = (res) => {
      res.socket?.write(`HTTP/1.1 429 Too Many\r\nretry-after: ${'9'.repeat(1024 * 1024)}\r\n\r\n`);
    };
    expect((await post(token)).status).toBe(502);
    expect(await scene.settled('H')).toMatchObject([{ fault: 'UND_ERR_HEADERS_OVERFLOW' }]);
  });

  it('that is away, overloaded or broken is told apart from what the client did', async () => {
    const token = await scene.grant('O');
    scene.provider.answer = refusing({}, 529);
    await post(token);
    scene.provider.answer = refusing({}, 400);
    await post(token);
    scene.provider.answer = (res) => void res.destroy();
    await post(token);
    scene.provider.answer = () => {};
    const leave = new AbortController();
    const left = scene.post(token, '/v1/messages', asked, { signal: leave.signal }).catch(() => 'left');
    await until('it is asked', () => scene.provider.requests.length === 4);
    leave.abort();
    expect(await left).toBe('left');
    await until('it is let go', () => scene.provider.open() === 0);
    await scene.provider.close();
    await post(token);
    const settled = await until('settled', async () => {
      const all = await scene.settled('O');
      return all.length === 5 ? all : null;
    });
    expect(settled.map((it) => it.fault).toSorted()).toEqual(
      ['529', null, 'UND_ERR_SOCKET', null, 'ECONNREFUSED'].toSorted(),
    );
  });

  it('that has no such model is no outage: the answer is passed on, and the books say so', async () => {
    const token = await scene.grant('M');
    const said = { type: 'error', error: { type: 'not_found_error', message: 'model: claude-sonnet-4-6' } };
    scene.provider.answer = (res) => sendJson(res, said, 404);
    expect(await post(token)).toMatchObject({ status: 404, text: JSON.stringify(said) });
    expect(await scene.settled('M')).toMatchObject([{ status: 404, refused: 'upstream', fault: 'model', usd: 0 }]);
  });
});
