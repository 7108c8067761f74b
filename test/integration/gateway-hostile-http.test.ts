import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sendJson } from '../fixtures/provider.ts';
import { until } from '../support/gateway-process.ts';
import { type GatewayScene, openGatewayScene } from '../support/gateway-scene.ts';

/**
 * An agent that speaks to its relay byte by byte: the gateway as a way to the host, to other endpoints, to the calls of others.
 * Whatever it writes, nothing but whole calls of its own reaches the provider, and nothing reaches anybody else.
 */
let scene: GatewayScene;
let canary: Server;
let canaryPort: number;
/** Connections to a port of the host's loopback that no guest may reach. */
let reached = 0;
let token: string;

beforeAll(async () => {
  scene = await openGatewayScene();
  canary = createServer((_req, res) => res.end('the host'));
  canary.on('connection', () => {
    reached += 1;
  });
  await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve));
  canaryPort = (canary.address() as AddressInfo).port;
  token = await scene.grant('A');
  scene.provider.answer = (res) => sendJson(res, { model: 'claude-sonnet-4-6', content: [], usage });
});
afterAll(async () => {
  canary.close();
  await scene.close();
});

const usage = { input_tokens: 9, output_tokens: 9 };
const body = '{"model":"claude-sonnet-4-6","max_tokens":16,"messages":[{"role":"user","content":"hi"}]}';

/** All that comes back until the connection is over, or so many answers have begun. */
async function speak(bytes: string, answers = 1): Promise<string> {
  const { hostname, port } = new URL(scene.guest.url);
  const socket = connect(Number(port), hostname);
  let heard = '';
  let isOver = false;
  socket.on('error', () => {});
  socket.once('close', () => {
    isOver = true;
  });
  socket.on('data', (piece) => {
    heard += piece.toString('latin1');
  });
  socket.write(bytes);
  await until('an answer, or the end', () => isOver || statuses(heard).length >= answers);
  socket.destroy();
  return heard;
}

function head(first: string, ...headers: string[]): string {
  return `${[first, 'host: gateway', `x-api-key: ${token}`, ...headers].join('\r\n')}\r\n\r\n`;
}

const statuses = (heard: string) => [...heard.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map((found) => Number(found[1]));

beforeEach(() => {
  reached = 0;
  scene.provider.requests.length = 0;
});

/** After all of it an honest call of the same agent goes, and nothing of the attack is still open. */
async function checkWhole(): Promise<void> {
  await until('nothing is open', async () => (await scene.gateway.client.health()).openStreams === 0);
  expect((await scene.level('fleet')).reserved.calls).toBe(0);
  expect(reached).toBe(0);
  expect(statuses(await speak(head('POST /v1/messages HTTP/1.1', `content-length: ${body.length}`) + body))).toEqual([
    200,
  ]);
}

describe('the way to the host', () => {
  it.each([
    ['an absolute target', () => head(`GET http://127.0.0.1:${canaryPort}/ HTTP/1.1`)],
    [
      'an absolute target with a path that is served',
      () => head(`POST http://127.0.0.1:${canaryPort}/v1/messages HTTP/1.1`),
    ],
    ['a target without a scheme', () => head(`GET //127.0.0.1:${canaryPort}/v1/messages HTTP/1.1`)],
    ['CONNECT', () => head(`CONNECT 127.0.0.1:${canaryPort} HTTP/1.1`)],
    ['an asterisk', () => head('OPTIONS * HTTP/1.1')],
    ['TRACE', () => head('TRACE /v1/messages HTTP/1.1')],
    ['a path upwards', () => head('POST /v1/messages/../../v1/organizations HTTP/1.1')],
    ['a path in disguise', () => head('POST /v1/%6dessages HTTP/1.1')],
    ['a doubled slash', () => head('POST //v1/messages HTTP/1.1')],
    ['another endpoint', () => head('POST /v1/files HTTP/1.1')],
    ['another host by its query', () => head(`POST /v1/messages?@127.0.0.1:${canaryPort}/ HTTP/1.1`)],
    ['a fragment', () => head('POST /v1/messages#x HTTP/1.1')],
    ['a path with a line in it', () => head('POST /v1/messages%0d%0aHost:%20x HTTP/1.1')],
    ['the control socket’s own words', () => head('PUT /v1/budgets HTTP/1.1')],
  ])('by %s is none', async (_name, request) => {
    // A whole call, so that whoever took the path for one that is served would send it up.
    const heard = await speak(request().replace('\r\n\r\n', `\r\ncontent-length: ${body.length}\r\n\r\n${body}`));
    expect([[], [400], [404]]).toContainEqual(statuses(heard));
    expect(heard).not.toContain('the host');
    expect(scene.provider.requests).toEqual([]);
    await checkWhole();
  });

  it.each([
    ['a websocket', ['connection: upgrade', 'upgrade: websocket', 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==']],
    ['HTTP/2', ['connection: upgrade, http2-settings', 'upgrade: h2c', 'http2-settings: AAMAAABkAAQAAP__']],
  ])('by an upgrade to %s is none', async (_name, headers) => {
    const heard = await speak(head('GET /v1/messages HTTP/1.1', ...headers));
    expect(statuses(heard)).not.toContain(101);
    await speak('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    expect(scene.provider.requests).toEqual([]);
    await checkWhole();
  });

  it('by a Host of its own is none: the provider hears its own name, and none of the agent’s headers', async () => {
    const lies = [
      `x-forwarded-host: 127.0.0.1:${canaryPort}`,
      'forwarded: host=evil',
      'cookie: a=b',
      'proxy-connection: close',
    ];
    const first = `POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1:${canaryPort}\r\nx-api-key: ${token}`;
    const heard = await speak(`${[first, ...lies, `content-length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`);
    expect(statuses(heard)).toEqual([200]);
    const [seen] = scene.provider.requests;
    expect(seen?.headers.host).toBe(new URL(scene.provider.url).host);
    for (const name of ['x-forwarded-host', 'forwarded', 'cookie', 'proxy-connection'])
      expect(seen?.headers[name]).toBe(undefined);
    expect(JSON.stringify(seen)).not.toContain(token);
    await checkWhole();
  });
});

describe('a request inside a request', () => {
  const hidden = () => head('POST /v1/messages HTTP/1.1', `content-length: ${body.length}`) + body;
  const post = 'POST /v1/messages HTTP/1.1';

  it.each([
    [
      'a length and chunks',
      () => `${head(post, 'content-length: 4', 'transfer-encoding: chunked')}0\r\n\r\n${hidden()}`,
    ],
    ['two lengths', () => head(post, 'content-length: 4', `content-length: ${body.length}`) + body],
    ['a length that is none', () => head(post, 'content-length: +4') + hidden()],
    ['a length in hexadecimal', () => head(post, 'content-length: 0x10') + hidden()],
    ['chunks and something else', () => `${head(post, 'transfer-encoding: chunked, identity')}0\r\n\r\n${hidden()}`],
    [
      'a folded header',
      () => `${head(post, 'transfer-encoding:\r\n chunked', 'content-length: 4')}0\r\n\r\n${hidden()}`,
    ],
    ['a space before the colon', () => head(post, 'content-length : 4') + hidden()],
    ['bare line feeds', () => `${post}\nhost: gateway\nx-api-key: ${token}\ncontent-length: 4\n\n${hidden()}`],
    ['a zero byte', () => head(post, 'x-a: \0', 'content-length: 4') + hidden()],
    ['a chunk of a wrong size', () => `${head(post, 'transfer-encoding: chunked')}-1\r\n${hidden()}`],
    [
      'a chunk size beyond counting',
      () => `${head(post, 'transfer-encoding: chunked')}fffffffffffffffff\r\n${hidden()}`,
    ],
    ['chunk extensions without end', () => `${head(post, 'transfer-encoding: chunked')}1;${'a'.repeat(100_000)}`],
  ])('by %s reaches nobody', async (_name, request) => {
    const heard = await speak(request());
    // Cut off at once, or answered with one refusal; whatever follows is never taken for a request of its own.
    expect([[], [400], [431]]).toContainEqual(statuses(heard));
    expect(scene.provider.requests).toEqual([]);
    await checkWhole();
  });

  it('that is one of its own, on the heels of the first, goes on its own token and no other', async () => {
    const other = await scene.grant('B');
    const own = head(post, `content-length: ${body.length}`) + body;
    const heard = await speak(own + own.replace(token, other) + own.replace(token, 'rft_nobody'), 3);
    expect(statuses(heard)).toEqual([200, 200, 403]);
    expect(await scene.settled('B')).toMatchObject([{ inputTokens: 9, outputTokens: 9 }]);
    expect(scene.provider.requests.map((it) => it.body)).toEqual([body, body]);
    await checkWhole();
  });

  it('of two tokens counts for the one that let it in', async () => {
    const other = await scene.grant('C', { vm: 'vm2' });
    const heard = await speak(head(post, `authorization: Bearer ${other}`, `content-length: ${body.length}`) + body);
    expect(statuses(heard)).toEqual([200]);
    expect(await scene.settled('C')).toEqual([]);
    const twice = await speak(head(post, `x-api-key: ${other}`, `content-length: ${body.length}`) + body);
    expect([[403], [400]]).toContainEqual(statuses(twice));
    expect(await scene.settled('C')).toEqual([]);
    await checkWhole();
  });
});

describe('headers', () => {
  it.each([
    ['ten thousand of them', () => Array.from({ length: 10_000 }, (_, at) => `x-${at}: 1`)],
    ['one of a megabyte', () => [`x-a: ${'a'.repeat(1024 * 1024)}`]],
    ['a token of a megabyte', () => [`authorization: Bearer ${'a'.repeat(1024 * 1024)}`]],
  ])('of %s are refused, and the gateway lives', async (_name, headers) => {
    const heard = await speak(
      head('POST /v1/messages HTTP/1.1', ...headers(), `content-length: ${body.length}`) + body,
    );
    expect([[], [400], [431]]).toContainEqual(statuses(heard));
    expect(scene.provider.requests).toEqual([]);
    await checkWhole();
  });

  it('that never end hold nobody else up', async () => {
    const { hostname, port } = new URL(scene.guest.url);
    const slow = Array.from({ length: 40 }, () => connect(Number(port), hostname));
    for (const socket of slow) socket.on('error', () => {}).write('POST /v1/messages HTTP/1.1\r\nx-a: ');
    await checkWhole();
    for (const socket of slow) socket.destroy();
  });
});
