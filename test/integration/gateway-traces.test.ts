import { randomBytes } from 'node:crypto';
import { request } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { genAi, ours } from '../../src/telemetry/traces/attributes.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../fixtures/otlp-receiver.ts';
import { sendJson } from '../fixtures/provider.ts';
import { startGatewayProcess, until } from '../support/gateway-process.ts';
import { type GatewayScene, openGatewayScene } from '../support/gateway-scene.ts';

/** Model calls, tools and what agents say of themselves, through a real tunnel and the real gateway process, at an OTLP receiver. */
let scene: GatewayScene;
let receiver: OtlpReceiver;
beforeAll(async () => {
  scene = await openGatewayScene();
  receiver = await startOtlpReceiver();
});
afterAll(async () => {
  await scene.close();
  await receiver.close();
});
beforeEach(() => {
  scene.provider.answer = (res) =>
    sendJson(res, {
      model: 'claude-sonnet-4-6',
      content: [{ type: 'text', text: 'hi' }],
      usage: { input_tokens: 100, cache_read_input_tokens: 30, cache_creation_input_tokens: 20, output_tokens: 7 },
    });
});

const hex = (digits: number) => randomBytes(digits / 2).toString('hex');

/** An iteration that is traced: its token, and its place. */
async function traced(task: string) {
  const ref = { traceId: hex(32), spanId: hex(16) };
  const token = await scene.grant(task, { trace: { ...ref, otlp: receiver.url } });
  return { token, ref, of: () => receiver.spans.filter(({ traceId }) => traceId === ref.traceId) };
}

const post = (token: string, path: string, body: unknown, headers: Record<string, string> = {}) =>
  request(`${scene.guest.url}${path}`, {
    method: 'POST',
    headers: { 'x-api-key': token, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    reset: true,
  });
const callModel = async (token: string, headers: Record<string, string> = {}) => {
  const body = { model: 'claude-sonnet-4-6', max_tokens: 10, messages: [{ role: 'user', content: 'the prompt' }] };
  const answer = await post(token, '/v1/messages', body, headers);
  await answer.body.dump();
  return answer.statusCode;
};
const nanos = (ms = Date.now()) => `${ms}000000`;
const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
const count = (key: string, intValue: number) => ({ key, value: { intValue } });

function spanBody(ref: { traceId: string; spanId: string }, more: Record<string, unknown> = {}) {
  const span = {
    ...{ traceId: ref.traceId, spanId: hex(16), parentSpanId: ref.spanId, name: 'claude_code.tool', kind: 1 },
    ...{ startTimeUnixNano: nanos(), endTimeUnixNano: nanos(), attributes: [text('tool_name', 'Bash')] },
    ...more,
  };
  return { resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [{ scope: {}, spans: [span] }] }] };
}

function callEvent(ref: { traceId: string; spanId: string }, tokens: number, usd: number) {
  const record = {
    ...{ traceId: ref.traceId, spanId: ref.spanId, timeUnixNano: nanos() },
    body: { stringValue: 'claude_code.api_request' },
    attributes: [
      ...[text('model', 'claude-sonnet-4-6'), count('input_tokens', tokens), count('output_tokens', 7)],
      ...[count('cache_read_tokens', 30), count('cache_creation_tokens', 20)],
      { key: 'cost_usd', value: { doubleValue: usd } },
    ],
  };
  return { resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] };
}

describe('a model call', () => {
  it('is a span below its iteration, or below the span of the agent that it names, with what was metered', async () => {
    const { token, ref, of } = await traced('C1');
    expect(await callModel(token)).toBe(200);
    const agents = hex(16);
    expect(await callModel(token, { traceparent: `00-${ref.traceId}-${agents}-01` })).toBe(200);
    expect(await callModel(token, { traceparent: `00-${hex(32)}-${agents}-01` })).toBe(200);
    await until('three spans', () => of().length === 3);
    expect(of().map((span) => span.parentSpanId)).toEqual([ref.spanId, agents, ref.spanId]);
    const [settled] = await scene.settled('C1');
    expect(of()[0]).toMatchObject({
      service: 'ralph-fleet-gateway',
      name: 'chat claude-sonnet-4-6',
      kind: 3,
      isError: false,
      attributes: {
        [genAi.operation]: 'chat',
        [genAi.provider]: 'anthropic',
        [genAi.requestModel]: 'claude-sonnet-4-6',
        [genAi.responseModel]: 'claude-sonnet-4-6',
        [genAi.inputTokens]: 150,
        [genAi.cacheReadTokens]: 30,
        [genAi.cacheWriteTokens]: 20,
        [genAi.outputTokens]: 7,
        [genAi.timeToFirstChunk]: expect.any(Number),
        [ours.costUsd]: settled?.usd,
        [ours.task]: 'C1',
        [ours.iteration]: 'it-C1',
        [ours.ralph]: 'r-C1',
        [ours.vm]: 'vm1',
        [ours.project]: 'p1',
        'http.response.status_code': 200,
        'server.address': '127.0.0.1',
      },
    });
    expect(receiver.bodies.join()).not.toContain('the prompt');
    expect(receiver.strange).toEqual([]);
  });

  it('that fails, or is refused, says why', async () => {
    const { token, of } = await traced('C2');
    scene.provider.answer = (res) => sendJson(res, { error: { message: 'overloaded' } }, 529);
    expect(await callModel(token)).toBe(529);
    await scene.limit('task:C2', { calls: 1 });
    expect(await callModel(token)).toBe(402);
    await until('two spans', () => of().length === 2);
    expect(of().map(({ isError, attributes }) => [isError, attributes['error.type']])).toEqual([
      [true, '529'],
      [true, 'over-budget'],
    ]);
  });

  it('of an iteration that is not traced leaves nothing', async () => {
    const before = receiver.bodies.length;
    const plain = await scene.grant('C3');
    expect(await callModel(plain)).toBe(200);
    expect((await post(plain, '/otel/v1/traces', { resourceSpans: [] })).statusCode).toBe(404);
    const { token, of } = await traced('C4');
    await callModel(token);
    await until('the other one', () => of().length === 1);
    expect(receiver.bodies.slice(before).join()).not.toContain('C3');
  });

  it('goes on where the receiver is away, and its span comes later', async () => {
    const { port } = new URL(receiver.url);
    await receiver.close();
    const { token, of } = await traced('C5');
    expect(await callModel(token)).toBe(200);
    expect(await callModel(token)).toBe(200);
    receiver = await startOtlpReceiver(Number(port));
    await until('both spans', () => of().length === 2);
  });
});

it('a gateway that is told to end sends what it has; the next one goes on in the same trace', async () => {
  const { token, ref, of } = await traced('E1');
  await callModel(token);
  await scene.gateway.end('SIGTERM');
  // It has ended: nothing of it can come any more.
  expect(of()).toHaveLength(1);
  await scene.restart();
  await callModel(token);
  await until('the second', () => of().length === 2);
  expect(of().map((span) => [span.parentSpanId, span.attributes[ours.iteration]])).toEqual([
    [ref.spanId, 'it-E1'],
    [ref.spanId, 'it-E1'],
  ]);
});

it('a call that is open while its gateway hands over is a span all the same', async () => {
  const { token, of } = await traced('E2');
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: asked, resolve: isAsked } = Promise.withResolvers<void>();
  const { answer } = scene.provider;
  scene.provider.answer = async (res, body) => {
    isAsked();
    await released;
    return answer(res, body);
  };
  const call = callModel(token);
  await asked;
  const before = scene.gateway;
  const { guestSocket } = scene.guest;
  const env = { ANTHROPIC_API_KEY: 'sk-ant-not-a-key' };
  scene.gateway = await startGatewayProcess(scene.folder, {
    ...{ upstream: scene.provider.url, guestSocket, env, takeOver: true },
  });
  release();
  expect(await call).toBe(200);
  const span = await until('its span', () => of()[0]);
  expect(span).toMatchObject({ name: 'chat claude-sonnet-4-6', attributes: { [genAi.outputTokens]: 7 } });
  await until('the first has ended', () => before.child.exitCode !== null);
  await before.client.close();
  await until('tunnel connected', async () => (await scene.gateway.client.tunnels())[0]?.state === 'connected');
});

it('the tools of an iteration are spans too', async () => {
  const { token, of } = await traced('M1');
  const ask = (name: string) =>
    post(
      token,
      '/mcp',
      { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: { summary: 'the summary' } } },
      { accept: 'application/json, text/event-stream' },
    ).then(({ body }) => body.dump());
  await ask('done');
  await ask('nonsense');
  await ask('stuck');
  await until('two spans', () => of().length === 2);
  expect(of().map(({ name, isError }) => [name, isError])).toEqual([
    ['execute_tool done', false],
    ['execute_tool stuck', true],
  ]);
  expect(receiver.bodies.join()).not.toContain('the summary');
});

describe('what an agent says of itself', () => {
  it('is stamped with who it is by its token, and stripped of who uses it and what was said', async () => {
    const { token, ref, of } = await traced('S1');
    const planted = `planted${hex(24)}`;
    const body = spanBody(ref, {
      attributes: [
        ...[text('tool_name', 'Bash'), count('duration_ms', 5), text(ours.task, 'T999'), text(ours.ralph, planted)],
        ...['user.id', 'user.email', 'organization.id', 'prompt', 'bash_argv0', 'full_command'].map((key) =>
          text(key, planted),
        ),
        ...[text('gen_ai.input.messages', planted), text('tool_use_id', token), text('model', `a sentence ${planted}`)],
      ],
      events: [{ name: planted, attributes: [text('x', planted)] }],
      status: { code: 2, message: planted },
    });
    Object.assign(body.resourceSpans[0]?.resource ?? {}, { attributes: [text('service.name', planted)] });
    const answer = await post(token, '/otel/v1/traces', body);
    expect([answer.statusCode, await answer.body.json()]).toEqual([200, {}]);
    await until('its span', () => of().length === 1);
    expect(of()[0]).toMatchObject({ service: 'ralph-fleet-agent', name: 'claude_code.tool', isError: true });
    expect(of()[0]?.attributes).toEqual({
      ...{ tool_name: 'Bash', duration_ms: 5, tool_use_id: '[redacted]' },
      ...{ [ours.project]: 'p1', [ours.task]: 'S1', [ours.ralph]: 'r-S1', [ours.iteration]: 'it-S1' },
      ...{ [ours.role]: 'implementer', [ours.vm]: 'vm1', [ours.isUntrusted]: true },
    });
    expect(receiver.bodies.join()).not.toContain(planted);
    expect(receiver.bodies.join()).not.toContain(token);
  });

  it('is compared with what was metered, and shown', async () => {
    const honest = await traced('U1');
    const liar = await traced('U2');
    for (const { token } of [honest, liar]) await callModel(token);
    const usd = (await scene.settled('U1'))[0]?.usd ?? 0;
    await post(honest.token, '/otel/v1/logs', callEvent(honest.ref, 100, usd));
    await post(liar.token, '/otel/v1/logs', callEvent(liar.ref, 1, 0));
    for (const task of ['U1', 'U2']) await scene.gateway.client.deleteGrant(`g-${task}`);
    const compared = (of: typeof honest.of) => until('usage', () => of().find(({ name }) => name === 'agent.usage'));
    const [ofHonest, ofLiar] = await Promise.all([compared(honest.of), compared(liar.of)]);
    expect(ofHonest.parentSpanId).toBe(honest.ref.spanId);
    expect(ofHonest.attributes).toMatchObject({
      ...{ [ours.saidCalls]: 1, [ours.saidInputTokens]: 150, [ours.saidOutputTokens]: 7, [ours.saidCostUsd]: usd },
      ...{ [ours.modelCalls]: 1, [genAi.inputTokens]: 150, [ours.costUsd]: usd, [ours.saysOtherwise]: false },
    });
    expect(ofLiar.attributes).toMatchObject({ [ours.saidInputTokens]: 51, [ours.saysOtherwise]: true });
    expect((await scene.gateway.client.health()).traces.compared).toEqual({ same: 1, differs: 1 });
    expect(scene.gateway.output()).toMatch(/"task":"U2".*"differs":true.*what the agent said of its calls/);
    await until('its events', () => receiver.events.length === 2);
    expect(receiver.events[0]).toMatchObject({
      ...{ service: 'ralph-fleet-agent', name: 'claude_code.api_request', traceId: honest.ref.traceId },
      attributes: { [ours.task]: 'U1', cost_usd: usd },
    });
  });

  it('is no sign of life, and not in the books', async () => {
    const { token, ref } = await traced('L1');
    for (let n = 0; n < 3; n++) expect((await post(token, '/otel/v1/traces', spanBody(ref))).statusCode).toBe(200);
    expect((await scene.gateway.client.calls()).filter(({ grant }) => grant === 'g-L1')).toEqual([]);
    const late = await post(`rft_${hex(32)}`, '/otel/v1/traces', spanBody(ref));
    expect(late.statusCode).toBe(403);
    expect(await scene.settled('L1')).toEqual([]);
  });

  it.each<[string, (ref: { traceId: string; spanId: string }) => unknown, number | RegExp]>([
    ['2 MB', (ref) => JSON.stringify(spanBody(ref)).padEnd(2 * 1024 * 1024), 413],
    ['half of a body', (ref) => JSON.stringify(spanBody(ref)).slice(0, 150), 400],
    ['no UTF-8', () => Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), 400],
    ['a list', () => [], 400],
    ['depth', () => `${'['.repeat(400_000)}${']'.repeat(400_000)}`, 400],
    ['depth in its place', (ref) => deep(ref), /"rejectedSpans":"1".*form/],
    ['wrong types', () => ({ resourceSpans: [1, null, { scopeSpans: [{ spans: [7, 'x', {}] }] }] }), /"3".*form: 3/],
    ['a foreign trace', (ref) => spanBody({ ...ref, traceId: hex(32) }), /trace: 1/],
    ['the place of its iteration', (ref) => spanBody(ref, { spanId: ref.spanId }), /trace: 1/],
    ['another name', (ref) => spanBody(ref, { name: 'integrate' }), /name: 1/],
    ['another year', (ref) => spanBody(ref, { startTimeUnixNano: '1', endTimeUnixNano: '2' }), /time: 1/],
    ['an end before its beginning', (ref) => spanBody(ref, { endTimeUnixNano: nanos(Date.now() - 9e5) }), /time: 1/],
  ])('as %s goes nowhere', async (what, body, expected) => {
    const { token, ref, of } = await traced(`H-${what.replace(/\W/g, '-')}`);
    const given = body(ref);
    const answer = await post(token, '/otel/v1/traces', given as string).catch(() => null);
    // What is too large is not read to its end; the connection may then break before the answer is seen.
    if (typeof expected === 'number') expect(answer?.statusCode ?? 413).toBe(expected);
    else expect(await answer?.body.text()).toMatch(expected);
    // The road is open still, and what went nowhere is not just late.
    expect((await post(token, '/otel/v1/traces', spanBody(ref))).statusCode).toBe(200);
    await until('the next one', () => of().length > 0);
    expect(of().map(({ name }) => name)).toEqual(['claude_code.tool']);
  });

  it('without end is cut off at so many requests a minute, and so many spans an iteration', async () => {
    const { token, ref, of } = await traced('F1');
    const many = { resourceSpans: [{ scopeSpans: [{ spans: [] as unknown[] }] }] };
    for (let n = 0; n < 1100; n++)
      many.resourceSpans[0]?.scopeSpans[0]?.spans.push(...(spanBody(ref).resourceSpans[0]?.scopeSpans[0]?.spans ?? []));
    const answers = [];
    for (let n = 0; n < 3; n++) answers.push(await (await post(token, '/otel/v1/traces', many)).body.json());
    expect(answers).toEqual([
      {},
      { partialSuccess: { rejectedSpans: '200', errorMessage: 'many: 200' } },
      { partialSuccess: { rejectedSpans: '1100', errorMessage: 'many: 1100' } },
    ]);
    await until('2000 spans', () => of().length === 2000);
    const statuses = new Set<number>();
    for (let n = 0; n < 60; n++) statuses.add((await post(token, '/otel/v1/traces', spanBody(ref))).statusCode);
    expect([...statuses]).toEqual([200, 429]);
    expect(await callModel(token)).toBe(200);
  });

  it('that a receiver refuses is counted', async () => {
    const { token, ref, of } = await traced('R1');
    await post(token, '/otel/v1/traces', spanBody(ref));
    await until('what came before', () => of().length === 1);
    const before = (await scene.gateway.client.health()).traces;
    receiver.status = 404;
    await post(token, '/otel/v1/logs', callEvent(ref, 1, 0));
    await until('one more', async () => {
      const { dropped } = (await scene.gateway.client.health()).traces;
      return dropped.refused > before.dropped.refused;
    });
    receiver.status = 200;
    const { exported, dropped } = (await scene.gateway.client.health()).traces;
    expect([exported, dropped.refused]).toEqual([before.exported, before.dropped.refused + 1]);
  });
});

function deep(ref: { traceId: string; spanId: string }): string {
  const body = JSON.stringify(spanBody(ref, { attributes: 'HERE' }));
  return body.replace('"HERE"', `${'{"a":'.repeat(80_000)}1${'}'.repeat(80_000)}`);
}
