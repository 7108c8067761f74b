import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendEvent, sendJson, startStream } from '../fixtures/provider.ts';
import { until } from '../support/gateway-process.ts';
import { type GatewayScene, openGatewayScene } from '../support/gateway-scene.ts';

/** OpenAI's two APIs through the real gateway: metered as the provider says, passed through byte for byte. */
let scene: GatewayScene;
beforeAll(async () => {
  scene = await openGatewayScene();
});
afterAll(() => scene.close());

const usage = { input_tokens: 1000, input_tokens_details: { cached_tokens: 400 }, output_tokens: 50 };
const chatUsage = { prompt_tokens: 1000, prompt_tokens_details: { cached_tokens: 400 }, completion_tokens: 50 };
const usd = (600 * 2 + 400 * 0.1 + 50 * 10) / 1e6;
const asked = { model: 'gpt-6.2-sol', input: 'hi', max_output_tokens: 2000 };
const counted = {
  model: 'gpt-6.2-sol',
  inputTokens: 600,
  cacheReadTokens: 400,
  outputTokens: 50,
  counted: 'said',
  flags: [],
};

describe('Responses', () => {
  it('are metered, streamed and not, with the credential of the host', async () => {
    const token = await scene.grant('R1');
    const done = { type: 'response.completed', response: { model: 'gpt-6.2-sol', status: 'completed', usage } };
    scene.provider.answer = async (res, body) => {
      if (body['stream'] !== true) return sendJson(res, { model: 'gpt-6.2-sol', output: [], usage });
      startStream(res);
      await sendEvent(res, { type: 'response.created', response: { model: 'gpt-6.2-sol' } });
      await sendEvent(res, { type: 'response.output_text.delta', delta: 'hello' });
      await sendEvent(res, done);
      res.end();
    };
    const streamed = await scene.post(token, '/v1/responses', { ...asked, stream: true });
    expect(await streamed.body.text()).toContain(`data: ${JSON.stringify(done)}\n\n`);
    const whole = await scene.post(token, '/v1/responses', asked);
    expect(await whole.body.json()).toEqual({ model: 'gpt-6.2-sol', output: [], usage });
    const settled = await scene.settled('R1');
    expect(settled).toMatchObject([counted, counted]);
    expect(settled[0]?.usd).toBeCloseTo(usd, 9);
    const [seen] = scene.provider.requests.slice(-1);
    expect(seen).toMatchObject({
      path: '/v1/responses',
      body: JSON.stringify(asked),
      headers: { authorization: 'Bearer sk-not-a-key' },
    });
    expect(JSON.stringify(seen?.headers)).not.toContain(token);
  });

  it('that break off count at their worst case: nobody said what they took', async () => {
    const token = await scene.grant('R2');
    scene.provider.answer = async (res) => {
      startStream(res);
      await sendEvent(res, { type: 'response.output_text.delta', delta: 'hello' });
    };
    const leave = new AbortController();
    const answer = await scene.post(token, '/v1/responses', { ...asked, stream: true }, { signal: leave.signal });
    for await (const _ of answer.body) break;
    leave.abort();
    const [settled] = await until('settled', async () =>
      (await scene.settled('R2')).length > 0 ? scene.settled('R2') : null,
    );
    expect(settled).toMatchObject({ outputTokens: 2000, counted: 'worst', status: 200 });
    expect(settled?.inputTokens).toBeGreaterThan(2000);
    await until('upstream let go', () => scene.provider.open() === 0);
  });

  it('are refused in a form that ends Codex at once, and what cannot be metered is not passed on', async () => {
    const token = await scene.grant('R3');
    await scene.limit('task:R3', { tokens: 1000 });
    const before = scene.provider.requests.length;
    const refused = await scene.post(token, '/v1/responses', asked);
    expect(refused.statusCode).toBe(400);
    expect(await refused.body.json()).toEqual({
      error: {
        ...{ type: 'insufficient_quota', code: 'insufficient_quota', param: null },
        message: expect.stringContaining('Task `R3` is over its budget'),
      },
    });
    await scene.limit('task:R3', {});
    const background = await scene.post(token, '/v1/responses', { ...asked, background: true });
    expect([background.statusCode, await background.body.text()]).toEqual([400, expect.stringContaining('metered')]);
    for (const path of ['/v1/responses/resp_1', '/v1/embeddings', '/v1/batches', '/v1/responses/compact']) {
      const unknown = await scene.post(token, path, asked);
      expect([path, unknown.statusCode]).toEqual([path, 404]);
      await unknown.body.dump();
    }
    expect(scene.provider.requests).toHaveLength(before);
    expect((await scene.settled('R3')).map((it) => [it.status, it.refused])).toEqual([[402, 'tokens']]);
  });

  it('get an output limit where they have none and little is left', async () => {
    const token = await scene.grant('R4');
    await scene.limit('task:R4', { tokens: 20_000 });
    scene.provider.answer = (res) => sendJson(res, { model: 'gpt-6.2-sol', usage });
    await (await scene.post(token, '/v1/responses', { model: 'gpt-6.2-sol', input: 'hi' })).body.dump();
    const body = JSON.parse(scene.provider.requests.at(-1)?.body ?? '');
    expect(body).toMatchObject({ model: 'gpt-6.2-sol', input: 'hi', max_output_tokens: expect.any(Number) });
    expect((await scene.settled('R4'))[0]?.lowered).toEqual({ from: 128_000, to: body.max_output_tokens });
  });
});

describe('Chat Completions', () => {
  const messages = { model: 'gpt-6.2-sol', messages: [{ role: 'user', content: 'hi' }], max_completion_tokens: 2000 };

  it('are metered, streamed and not', async () => {
    const token = await scene.grant('C1');
    scene.provider.answer = async (res, body) => {
      if (body['stream'] !== true) return sendJson(res, { model: 'gpt-6.2-sol', choices: [], usage: chatUsage });
      startStream(res);
      await sendEvent(res, { model: 'gpt-6.2-sol', choices: [{ delta: { content: 'hello' } }], usage: null });
      await sendEvent(res, { model: 'gpt-6.2-sol', choices: [], usage: chatUsage });
      await sendEvent(res, '[DONE]');
      res.end();
    };
    const wanted = { ...messages, stream: true, stream_options: { include_usage: true } };
    const streamed = await scene.post(token, '/v1/chat/completions', wanted);
    expect(await streamed.body.text()).toMatch(/data: \[DONE\]\n\n$/);
    await (await scene.post(token, '/v1/chat/completions', messages)).body.dump();
    expect(await scene.settled('C1')).toMatchObject([counted, counted]);
  });

  it('that do not tell their usage count at their worst case', async () => {
    const token = await scene.grant('C2');
    scene.provider.answer = async (res) => {
      startStream(res);
      await sendEvent(res, { model: 'gpt-6.2-sol', choices: [{ delta: { content: 'hello' } }] });
      await sendEvent(res, '[DONE]');
      res.end();
    };
    await (await scene.post(token, '/v1/chat/completions', { ...messages, stream: true })).body.dump();
    expect(await scene.settled('C2')).toMatchObject([
      { outputTokens: 2000, counted: 'worst', status: 200, refused: null },
    ]);
  });

  it('of an unknown model are priced as the dearest of OpenAI, and flagged', async () => {
    const token = await scene.grant('C3');
    scene.provider.answer = (res) => sendJson(res, { model: 'gpt-99', choices: [], usage: chatUsage });
    await (await scene.post(token, '/v1/chat/completions', { ...messages, model: 'gpt-99' })).body.dump();
    const [settled] = await scene.settled('C3');
    expect(settled).toMatchObject({ model: 'gpt-99', priceKnown: false });
    expect(settled?.usd).toBeCloseTo((600 * 30 + 400 * 30 + 50 * 180) / 1e6, 9);
  });
});
