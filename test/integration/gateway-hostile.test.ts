import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { beginMessage, sendEvent, sendJson, startProvider, textDelta } from '../fixtures/provider.ts';
import { startGatewayChild } from '../support/gateway-child.ts';
import { until } from '../support/gateway-process.ts';
import { type GatewayScene, openGatewayScene } from '../support/gateway-scene.ts';

/** Providers that lie, hang, flood and break off; agents that try everything. The budgets hold, and the gateway lives. */
let scene: GatewayScene;
beforeAll(async () => {
  scene = await openGatewayScene();
});
afterAll(() => scene.close());

const asked = {
  model: 'claude-sonnet-4-6',
  max_tokens: 4000,
  stream: true,
  messages: [{ role: 'user', content: 'hi' }],
};
const post = (token: string, body: unknown = asked, more: { signal?: AbortSignal } = {}) =>
  scene.post(token, '/v1/messages', body, more);

async function dump(answer: ReturnType<typeof post>): Promise<number> {
  const { statusCode, body } = await answer;
  await body.dump().catch(() => {});
  return statusCode;
}

const end = (usage: Record<string, number>) => [
  { type: 'content_block_stop', index: 0 },
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage },
  { type: 'message_stop' },
];

describe('a provider', () => {
  it('that says it used less than it delivered is not believed', async () => {
    const token = await scene.grant('L1');
    scene.provider.answer = async (res) => {
      await beginMessage(res, { input_tokens: 50 });
      for (let n = 0; n < 100; n++) await sendEvent(res, textDelta('word '.repeat(20)));
      for (const event of end({ output_tokens: 1 })) await sendEvent(res, event);
      res.end();
    };
    expect(await dump(post(token))).toBe(200);
    expect(await scene.settled('L1')).toMatchObject([{ inputTokens: 50, outputTokens: 2500, flags: ['says-less'] }]);
  });

  it('that says it used nothing at all is counted at the worst case', async () => {
    const token = await scene.grant('L2');
    scene.provider.answer = (res) =>
      sendJson(res, { model: 'claude-sonnet-4-6', content: [], usage: { input_tokens: 0, output_tokens: 0 } });
    expect(await dump(post(token, { ...asked, stream: false }))).toBe(200);
    expect(await scene.settled('L2')).toMatchObject([{ outputTokens: 4000, counted: 'worst' }]);
  });

  it('that says it used more than it can have is counted as it says, flagged, and nothing more goes up', async () => {
    const token = await scene.grant('L3');
    await scene.limit('task:L3', { tokens: 100_000 });
    scene.provider.answer = (res) =>
      sendJson(res, { model: 'claude-sonnet-4-6', content: [], usage: { input_tokens: 5_000_000, output_tokens: 9 } });
    expect([await dump(post(token)), await dump(post(token))]).toEqual([200, 402]);
    expect(await scene.settled('L3')).toMatchObject([
      { inputTokens: 5_000_000, flags: ['says-more'] },
      { refused: 'tokens' },
    ]);
  });

  it('that streams for ever is ended with its iteration', async () => {
    const token = await scene.grant('F1', { expiresAt: Date.now() + 6_000 });
    scene.provider.answer = async (res) => {
      await beginMessage(res, { input_tokens: 50 });
      while (!res.destroyed) await sendEvent(res, textDelta('and on '));
    };
    const { body } = await post(token);
    let bytes = 0;
    await expect(
      (async () => {
        for await (const piece of body) bytes += (piece as Buffer).length;
      })(),
    ).rejects.toThrow();
    expect(bytes).toBeGreaterThan(1000);
    const [settled] = await until('settled', async () =>
      (await scene.settled('F1')).length > 0 ? scene.settled('F1') : null,
    );
    expect(settled).toMatchObject({ inputTokens: 50, outputTokens: 4000, counted: 'delivered' });
    await until('upstream let go', () => scene.provider.open() === 0);
  });

  it('that goes silent without an end is ended with its iteration too', async () => {
    const token = await scene.grant('F2', { expiresAt: Date.now() + 3_000 });
    scene.provider.answer = () => {};
    await expect(post(token)).rejects.toThrow();
    await until('settled', async () => (await scene.settled('F2'))[0]?.counted === 'worst');
  });

  it('that closes in the middle of an event is counted by what came', async () => {
    const token = await scene.grant('B1');
    scene.provider.answer = async (res) => {
      await beginMessage(res, { input_tokens: 50, cache_read_input_tokens: 7 });
      await sendEvent(res, textDelta('twelve bytes'));
      res.write('event: content_block_delta\ndata: {"type":"content_block_del');
      setTimeout(() => res.destroy(), 100);
    };
    await dump(post(token));
    expect(await scene.settled('B1')).toMatchObject([
      { inputTokens: 50, cacheReadTokens: 7, outputTokens: 12, counted: 'delivered', status: 0, refused: 'upstream' },
    ]);
  });

  it('that thinks where nobody sees it, and breaks off, is counted with all it may have thought', async () => {
    const token = await scene.grant('B2');
    scene.provider.answer = async (res) => {
      await beginMessage(res, { input_tokens: 50 });
      await sendEvent(res, {
        type: 'content_block_start',
        index: 1,
        content_block: { type: 'thinking', thinking: '' },
      });
      setTimeout(() => res.destroy(), 100);
    };
    await dump(post(token));
    expect(await scene.settled('B2')).toMatchObject([{ inputTokens: 50, outputTokens: 4000, counted: 'worst' }]);
  });

  it('that refuses the credential in the middle of the night costs nothing and is not asked again', async () => {
    const token = await scene.grant('A1');
    scene.provider.answer = (res) =>
      sendJson(res, { type: 'error', error: { type: 'authentication_error', message: 'no' } }, 401);
    const answer = await post(token);
    expect([answer.statusCode, answer.headers['x-should-retry']]).toEqual([401, 'false']);
    await answer.body.dump();
    expect(await scene.settled('A1')).toMatchObject([
      { status: 401, refused: 'credential', usd: 0, counted: 'nothing' },
    ]);
    expect((await scene.level('task:A1')).reserved.calls).toBe(0);
    const asked = scene.provider.requests.length;
    expect((await post(token)).statusCode).toBe(403);
    expect(scene.provider.requests).toHaveLength(asked);
    const source = { from: 'env', name: 'ANTHROPIC_API_KEY' } as const;
    await scene.gateway.client.credentials([{ provider: 'anthropic', source, again: true }]);
  });

  it('whose answer cannot be read is counted at the worst case, and passed on', async () => {
    const token = await scene.grant('X1');
    const zipped = gzipSync(JSON.stringify({ usage: { input_tokens: 1, output_tokens: 1 } }));
    scene.provider.answer = (res) =>
      void res.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(zipped);
    const { body } = await post(token);
    expect(Buffer.from(await body.arrayBuffer())).toEqual(zipped);
    scene.provider.answer = (res) =>
      void res.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: {"type":\n\ngarbage');
    expect(await (await post(token)).body.text()).toContain('garbage');
    expect((await scene.settled('X1')).map((it) => it.counted)).toEqual(['worst', 'worst']);
  });
});

describe('an agent', () => {
  it('that hides what it asks for is refused before anything goes up', async () => {
    const token = await scene.grant('H1');
    const before = scene.provider.requests.length;
    const hostile = [
      '{"model":"claude-sonnet-4-6","max_tokens":10,"messages":[],"max_tokens":64000}',
      '{"model":"claude-haiku-4-5","max_tokens":10,"messages":[],"m\\u006fdel":"claude-opus-4"}',
      '{"model":"claude-sonnet-4-6","max_tokens":"64000","messages":[]}',
      '{"model":"claude-sonnet-4-6","max_tokens":1e5,"messages":[]}',
      '{"model":"claude-sonnet-4-6"',
      '[]',
      '',
      'not json',
    ];
    for (const body of hostile) expect([body, await dump(post(token, body))]).toEqual([body, 400]);
    expect(
      await dump(
        post(token, `{"model":"m","system":"${'x'.repeat(33 * 1024 * 1024)}"}`).catch(
          () => ({ statusCode: 413, body: { dump: async () => {} } }) as never,
        ),
      ),
    ).toBe(413);
    expect(scene.provider.requests).toHaveLength(before);
    expect((await scene.level('task:H1')).reserved.calls).toBe(0);
  });

  it('with the token of another Ralph, of another VM or of its own invention gets nothing', async () => {
    const other = await scene.grant('O1', { vm: 'vm2' });
    const before = scene.provider.requests.length;
    for (const token of [other, `rft_${'0'.repeat(32)}`, 'x'.repeat(5000)]) expect(await dump(post(token))).toBe(403);
    expect(scene.provider.requests).toHaveLength(before);
  });

  it('that begins a body and never ends it is cut off with its token, and holds nobody up', async () => {
    const token = await scene.grant('B1', { expiresAt: Date.now() + 1000 });
    const { hostname, port } = new URL(scene.guest.url);
    const socket = connect(Number(port), hostname);
    const head = [
      'POST /v1/messages HTTP/1.1',
      'host: gateway',
      `authorization: Bearer ${token}`,
      'content-length: 1000',
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n{"model":`);
    const isOpen = async () => (await scene.gateway.client.health()).openStreams > 0;
    await until('the call is open', isOpen);
    await once(socket.resume(), 'close');
    await until('the call is over', async () => !(await isOpen()));
    expect((await scene.level('task:B1')).reserved.calls).toBe(0);
  });

  it('that asks a thousand times a second is refused each time, fills no books and is in nobody’s way', async () => {
    const [loud, quiet] = [await scene.grant('N1'), await scene.grant('N2')];
    await scene.limit('task:N1', { tokens: 100 });
    scene.provider.answer = (res) =>
      sendJson(res, { model: 'claude-sonnet-4-6', content: [], usage: { input_tokens: 9, output_tokens: 9 } });
    const before = scene.provider.requests.length;
    const statuses = new Set<number>();
    let left = 1000;
    const flood = Promise.all(
      Array.from({ length: 16 }, async () => {
        while (left-- > 0) statuses.add(await dump(post(loud)));
      }),
    );
    for (let n = 0; n < 5; n++) expect(await dump(post(quiet))).toBe(200);
    await flood;
    expect([...statuses]).toEqual([402]);
    expect(scene.provider.requests).toHaveLength(before + 5);
    expect((await scene.settled('N1')).length).toBeLessThanOrEqual(2);
    expect((await scene.gateway.client.health()).openStreams).toBe(0);
  });
});

it('an answer of 1 GB passes through a gateway that stays small', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'rf-gb-'));
  const provider = await startProvider();
  const gateway = await startGatewayChild(folder, provider.url);
  try {
    await gateway.grant('t');
    const piece = textDelta('x'.repeat(1024 * 1024));
    provider.answer = async (res) => {
      await beginMessage(res, { input_tokens: 50 });
      for (let n = 0; n < 1024 && !res.destroyed; n++) await sendEvent(res, piece);
      for (const event of end({ output_tokens: 3999 })) await sendEvent(res, event);
      res.end();
    };
    const { body } = await request(`${gateway.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': 't' },
      body: JSON.stringify(asked),
    });
    let bytes = 0;
    let rssMiB = 0;
    for await (const chunk of body) {
      bytes += (chunk as Buffer).length;
      const status = readFileSync(`/proc/${gateway.child.pid}/status`, 'utf8');
      rssMiB = Math.max(rssMiB, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
    }
    expect(bytes).toBeGreaterThan(1024 ** 3);
    expect(rssMiB).toBeLessThan(300);
    expect(await gateway.level('task:T1')).toMatchObject({
      settled: { calls: 1, tokens: 50 + 4000 },
      reserved: { calls: 0 },
    });
  } finally {
    await gateway.kill();
    await provider.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
