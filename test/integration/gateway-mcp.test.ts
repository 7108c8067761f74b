import { connect } from 'node:net';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendJson } from '../fixtures/provider.ts';
import { grantFor, until } from '../support/gateway-process.ts';
import { type GatewayScene, openGatewayScene } from '../support/gateway-scene.ts';

/** What an agent says through the tools of its iteration: the official client, a real tunnel, the real gateway process. */
let scene: GatewayScene;
beforeAll(async () => {
  scene = await openGatewayScene();
});
afterAll(() => scene.close());

type Mode = 'legacy' | 'auto';

async function withTools<T>(token: string, work: (client: Client) => Promise<T>, mode: Mode = 'auto'): Promise<T> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
  const headers = { authorization: `Bearer ${token}` };
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${scene.guest.url}/mcp`), { requestInit: { headers } }),
  );
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

const call = async (client: Client, name: string, given: Record<string, unknown>) => {
  const { isError = false, content } = await client.callTool({ name, arguments: given });
  const text = content.map((part) => (part.type === 'text' ? part.text : '')).join('');
  return { isError, text };
};
const said = (task: string) => scene.gateway.client.said(`it-${task}`);
const rpc = (method: string, params: object, id = 1) => ({ jsonrpc: '2.0', id, method, params });
const post = (token: string, body: unknown) =>
  request(`${scene.guest.url}/mcp`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    reset: true,
  });
const doneCall = (summary: string, id = 1) => rpc('tools/call', { name: 'done', arguments: { summary } }, id);

describe('the tools of an iteration', () => {
  it.each(['legacy', 'auto'] as const)('are those of its role, and nothing else is served (%s)', async (mode) => {
    const implementer = await scene.grant(`R-${mode}`);
    const reviewer = await scene.grant(`V-${mode}`, { role: 'reviewer' });
    const tools = (token: string) => withTools(token, (client) => client.listTools(), mode);
    const names = async (token: string) => (await tools(token)).tools.map((tool) => tool.name);
    expect(await names(implementer)).toEqual(['done', 'partial', 'stuck', 'ask', 'learned', 'flag']);
    expect(await names(reviewer)).toEqual(['verdict', 'stuck', 'flag']);
    const capabilities = await withTools(implementer, async (client) => client.getServerCapabilities(), mode);
    expect(capabilities).toEqual({ tools: {} });
    const ask = (await tools(implementer)).tools[3];
    expect(ask?.inputSchema).toMatchObject({ required: ['question'], properties: { options: { type: 'array' } } });
  });

  it('keep what is said, in its order, before they answer: a gateway that is killed has it all the same', async () => {
    const token = await scene.grant('K1');
    await withTools(token, async (client) => {
      expect(await call(client, 'learned', { text: 'Run make gen first.', kind: 'command' })).toMatchObject({
        isError: false,
      });
      expect((await call(client, 'done', { summary: 'all of it' })).text).toContain('stop here');
    });
    await scene.gateway.end('SIGKILL');
    await scene.restart();
    expect(await said('K1')).toEqual({
      calls: [
        { at: expect.any(Number), verb: 'learned', given: { text: 'Run make gen first.', kind: 'command' } },
        { at: expect.any(Number), verb: 'done', given: { summary: 'all of it' } },
      ],
      refused: 0,
      arrived: { prompt: null, tools: null },
    });
  });

  it('name every fault of a call, so that it can be mended', async () => {
    const token = await scene.grant('E1', { role: 'reviewer' });
    await withTools(token, async (client) => {
      const wrong = await call(client, 'verdict', {
        decision: 'maybe',
        findings: [{ severity: 'major' }],
        summary: '',
      });
      expect(wrong.isError).toBe(true);
      for (const at of ['decision', 'findings.0.what', 'findings.0.why', 'summary'])
        expect(wrong.text).toContain(`\`${at}\``);
      expect(await call(client, 'verdict', { decision: 'approve', summary: '<what you looked at>' })).toMatchObject({
        isError: true,
        text: expect.stringContaining('in place of your own words'),
      });
      expect(await call(client, 'done', { summary: 'x' })).toMatchObject({
        isError: true,
        text: expect.stringContaining('yours are: verdict, stuck, flag'),
      });
      expect(await call(client, 'verdict', { decision: 'approve', summary: 'fine' })).toMatchObject({ isError: false });
    });
    expect(await said('E1')).toMatchObject({ calls: [{ verb: 'verdict' }], refused: 3 });
  });

  it('are gone with the iteration: a late call is refused, an open one ended', async () => {
    const token = await scene.grant('G1');
    const open = connect({ host: '127.0.0.1', port: Number(new URL(scene.guest.url).port) });
    const closed = new Promise<void>((resolve) => open.once('close', () => resolve()));
    open.on('error', () => {}).resume();
    open.write(
      `POST /mcp HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{"jsonrpc":`,
    );
    await until('request open', async () => (await scene.gateway.client.health()).openStreams === 1);
    await scene.gateway.client.deleteGrant('g-G1');
    await closed;
    const late = await post(token, doneCall('too late'));
    expect([late.statusCode, await late.body.text()]).toEqual([403, expect.stringContaining('it-G1')]);
    expect((await said('G1')).calls).toEqual([]);
    expect(await scene.settled('G1')).toMatchObject([{ refused: 'token-expired' }]);
  });

  it('see in the calls to the model API whether prompt and tools arrived', async () => {
    scene.provider.answer = (res) =>
      sendJson(res, { model: 'claude-sonnet-4-6', content: [], usage: { input_tokens: 1, output_tokens: 1 } });
    const marks = { prompt: '0123456789abcdef0123456789abcdef', tool: 'mcp__ralph__done' };
    const token = await scene.grant('A1', { marks });
    const ask = async (content: string, tools: { name: string }[]) => {
      const body = { model: 'claude-sonnet-4-6', max_tokens: 10, tools, messages: [{ role: 'user', content }] };
      await (await scene.post(token, '/v1/messages', body)).body.dump();
      return (await said('A1')).arrived;
    };
    // To speak of a tool is not to have it.
    expect(await ask(`"name":"${marks.tool}"`, [])).toEqual({ prompt: null, tools: null });
    expect(await ask(`do it; ${marks.prompt}`, [])).toEqual({ prompt: expect.any(Number), tools: null });
    const { prompt } = (await said('A1')).arrived;
    expect(await ask(marks.prompt, [{ name: 'Bash' }, { name: marks.tool }])).toEqual({
      prompt,
      tools: expect.any(Number),
    });
  });
});

describe('an agent that means no good', () => {
  it('with a token of another VM, of nobody, or with none gets nowhere, and is counted', async () => {
    const foreign = `rft_${'f'.repeat(32)}`;
    await scene.gateway.client.putGrant('g-foreign', grantFor(foreign, { vm: 'vm2', task: 'X1', iteration: 'it-X1' }));
    const before = (await scene.gateway.client.settlements(0, 10_000)).last;
    for (const token of [foreign, 'rft_nobody', '']) expect((await post(token, doneCall('x'))).statusCode).toBe(403);
    expect((await said('X1')).calls).toEqual([]);
    const { settlements } = await scene.gateway.client.settlements(before, 10);
    expect(settlements).toMatchObject([{ refused: 'token-unknown', task: '' }]);
  });

  it('that calls a thousand times, alone or in one request, is heard a few times a minute', async () => {
    const token = await scene.grant('T1');
    const answers: string[] = [];
    for (let wave = 0; wave < 10; wave++) {
      const calls = Array.from({ length: 20 }, async () => (await post(token, doneCall('again'))).body.text());
      answers.push(...(await Promise.all(calls)));
    }
    const batch = Array.from({ length: 800 }, (_, id) => doneCall('b', id));
    answers.push(await (await post(token, batch)).body.text());
    expect(answers.filter((text) => text.includes('Noted')).length).toBe(60);
    expect((await said('T1')).calls).toHaveLength(60);
  });

  it('that says too much is stopped at the size of a call and of an iteration', async () => {
    const token = await scene.grant('B1');
    await withTools(token, async (client) => {
      const long = (bytes: number) => call(client, 'flag', { what: 'x', more: 'y'.repeat(bytes) });
      expect((await long(70_000)).text).toContain('too long');
      const answers = [];
      for (let n = 0; n < 20; n++) answers.push((await long(60_000)).isError);
      expect(answers.filter((isError) => !isError)).toHaveLength(17);
    });
    const { calls, refused } = await said('B1');
    expect({ calls: calls.length, refused }).toEqual({ calls: 17, refused: 4 });
  });

  it.each([
    ['10 MB', () => JSON.stringify(doneCall('z'.repeat(10_000_000))), 413],
    ['half of a request', () => '{"jsonrpc":"2.0","id":1,"method":"tools/ca', 400],
    ['no JSON', () => '\u0000\u0001', 400],
    ['another protocol', () => '{"hello":1}', 400],
  ])('that sends %s is refused', async (what, body, status) => {
    const task = `H-${what.slice(0, 4).trim().replace(' ', '-')}`;
    const token = await scene.grant(task);
    const answer = await post(token, body()).catch(() => null);
    // What is too large is not read to its end; the connection may then break before the answer is seen.
    if (answer !== null || status !== 413) expect(answer?.statusCode).toBe(status);
    expect((await said(task)).calls).toEqual([]);
    expect(await (await post(token, doneCall('still there'))).body.text()).toContain('Noted');
  });

  it('can hold no stream open', async () => {
    const token = await scene.grant('S1');
    const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' };
    const streams = await request(`${scene.guest.url}/mcp`, { headers, reset: true });
    expect(streams.statusCode).toBe(405);
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'x', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const listen = await request(`${scene.guest.url}/mcp`, {
      method: 'POST',
      headers: {
        ...headers,
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'subscriptions/listen',
      },
      body: JSON.stringify(rpc('subscriptions/listen', { _meta: meta, notifications: { toolsListChanged: true } })),
      reset: true,
    });
    expect(await listen.body.text()).toContain('imit reached');
    expect((await scene.gateway.client.health()).openStreams).toBe(0);
  });
});
