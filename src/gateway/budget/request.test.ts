import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { priceFile } from '../../contract/prices.ts';
import { type Api, apis } from '../apis.ts';
import { createPrices } from '../meter/prices.ts';
import { readRequest, withOutputLimit } from './request.ts';
import { worstCase } from './worst-case.ts';

const prices = createPrices(priceFile.parse(JSON.parse(readFileSync('prices/prices.json', 'utf8'))), null);

function api(path: string): Api {
  const found = apis.get(`POST ${path}`);
  if (found === undefined) throw new Error(path);
  return found;
}
const messages = api('/v1/messages');
const responses = api('/v1/responses');
const chat = api('/v1/chat/completions');

const text = (it: unknown) => (typeof it === 'string' ? it : JSON.stringify(it));
const read = (of: Api, body: unknown) => readRequest(of, Buffer.from(text(body)));

function facts(of: Api, body: unknown) {
  const found = read(of, body);
  if (!found.ok) throw new Error(found.why);
  return found.facts;
}

const plain = { model: 'claude-sonnet-4-6', max_tokens: 32_000, messages: [{ role: 'user', content: 'hi' }] };

describe('what a request says of its cost', () => {
  it('is read from Messages, Responses and Chat Completions', () => {
    expect(facts(messages, { ...plain, thinking: { type: 'enabled', budget_tokens: 8000 } })).toMatchObject({
      ...{ model: 'claude-sonnet-4-6', outputTokens: 32_000, floorTokens: 8001, isOpenEnded: false, images: 0 },
      ...{ cacheWrites: 'none', fast: false, inRegion: false },
    });
    const tools = [{ type: 'function', name: 'x' }];
    expect(
      facts(responses, { model: 'gpt-5.5', input: [], max_output_tokens: 900, service_tier: 'priority', tools }),
    ).toMatchObject({
      ...{ outputTokens: 900, floorTokens: 1024, fast: true, isOpenEnded: false },
    });
    expect(facts(responses, { model: 'gpt-5.5', input: 'hi' })).toMatchObject({
      outputTokens: null,
      isOpenEnded: false,
    });
    expect(
      facts(chat, { model: 'gpt-5.1', messages: [], max_tokens: 5, max_completion_tokens: 3000, n: 2 }),
    ).toMatchObject({
      ...{ outputTokens: 6000, floorTokens: 2048, choices: 2 },
    });
  });

  it('is no less where the body tries to hide it', () => {
    const body = '{"model":"m","max_tokens":10,"messages":[],"max_tokens":32000}';
    expect(read(messages, body)).toEqual({ ok: false, why: '`max_tokens` stands twice in the body.' });
    expect(read(messages, body.replace('"max_tokens":32000', '"max\\u005ftokens":32000')).ok).toBe(false);
    for (const odd of ['"32000"', '1e9', '-5', '3.5', '[1]', '99999999999']) {
      expect(read(messages, `{"model":"m","max_tokens":${odd}}`)).toMatchObject({
        why: '`max_tokens` must be a whole number.',
      });
    }
    expect(read(chat, { model: 'm', n: 1000 }).ok).toBe(false);
    expect(read(responses, { model: 'm', background: true })).toMatchObject({
      why: expect.stringContaining('metered'),
    });
    expect(readRequest(messages, Buffer.from(text(plain), 'utf16le')).ok).toBe(false);
    expect(read(messages, '{"model":"m"').ok).toBe(false);
    const spelt = text({ ...plain, system: [{ x: 1 }] }).replace('"x"', '"c\\u0061che_control"');
    expect(facts(messages, spelt).cacheWrites).toBe('long');
  });

  it('knows what is written into the cache, and for how long', () => {
    const cached = (control: unknown) =>
      facts(messages, { ...plain, system: [{ cache_control: control }] }).cacheWrites;
    expect(cached({ type: 'ephemeral' })).toBe('short');
    expect(cached({ type: 'ephemeral', ttl: '1h' })).toBe('long');
  });

  it('counts images apart, and takes what is not in the body for open-ended', () => {
    const source = (more: object) => ({
      ...plain,
      messages: [{ role: 'user', content: [{ type: 'image', source: more }] }],
    });
    const data = 'A'.repeat(1_000_000);
    const image = facts(messages, source({ type: 'base64', media_type: 'image/png', data }));
    expect(image).toMatchObject({ images: 1, isOpenEnded: false });
    expect(image.inputBytes).toBeLessThan(1000);
    const inResult = {
      role: 'user',
      content: [{ type: 'tool_result', content: [{ source: { media_type: 'image/png', data } }] }],
    };
    expect(facts(messages, { ...plain, messages: [inResult] })).toMatchObject({ images: 1 });
    const asText = facts(messages, source({ type: 'text', media_type: 'text/plain', data }));
    expect(asText).toMatchObject({ images: 0, isOpenEnded: false });
    expect(asText.inputBytes).toBeGreaterThan(1_000_000);
    for (const open of [
      source({ type: 'base64', media_type: 'application/pdf', data: 'A' }),
      source({ type: 'base64', data }),
      source({ type: 'url', url: 'https://x.example/a.png' }),
      source({ type: 'file', file_id: 'f' }),
      { ...plain, mcp_servers: [{}] },
      { ...plain, tools: [{ type: 'web_search_20250305', name: 'web_search', max_uses: 3 }] },
    ]) {
      expect([open, facts(messages, open).isOpenEnded]).toEqual([open, true]);
    }
    expect(facts(messages, { ...plain, tools: [{ type: 'web_search_20250305', max_uses: 3 }] }).webSearches).toBe(3);
    expect(facts(messages, { ...plain, tools: [{ name: 'own' }, { type: 'bash_20250124' }] }).isOpenEnded).toBe(false);
    for (const open of [{ previous_response_id: 'r' }, { input: [{ id: 'x' }] }, { tools: [{ type: 'web_search' }] }]) {
      expect(facts(responses, { model: 'm', ...open }).isOpenEnded).toBe(true);
    }
    const url = { type: 'input_image', image_url: `data:image/png;base64,${data}` };
    expect(facts(responses, { model: 'm', input: [{ content: [url] }] })).toMatchObject({
      images: 1,
      isOpenEnded: false,
    });
  });
});

describe('the worst case of a call', () => {
  it('is a token for each byte, at the price of its model, with all the output it may have', () => {
    const worst = worstCase(prices, 'anthropic', facts(messages, plain));
    const bytes = Buffer.byteLength(JSON.stringify(plain)) + 2048;
    expect(worst).toMatchObject({ inputTokens: bytes, outputTokens: 32_000, floorTokens: 1024, priceKnown: true });
    expect(worst.usdBase).toBeCloseTo((bytes * 3) / 1e6, 9);
    expect(worst.usdPerOutputToken * 1e6).toBeCloseTo(15);
  });

  it('is as dear as writing into the cache, a fast answer and a long prompt', () => {
    const usd = (of: Api, body: object) => worstCase(prices, of.provider, facts(of, body));
    const long = { ...plain, model: 'claude-sonnet-4-5', system: 'x'.repeat(300_000) };
    expect(usd(messages, long).usdPerOutputToken * 1e6).toBeCloseTo(22.5);
    const cached = usd(messages, { ...plain, system: [{ cache_control: { ttl: '1h' } }] });
    expect((cached.usdBase * 1e6) / cached.inputTokens).toBeCloseTo(6);
    expect(usd(messages, { ...plain, speed: 'fast' }).usdPerOutputToken * 1e6).toBeCloseTo(90);
    expect(usd(responses, { model: 'gpt-5.5', service_tier: 'priority' }).usdPerOutputToken * 1e6).toBeCloseTo(60);
    expect(usd(messages, { ...plain, model: 'claude-next' })).toMatchObject({ priceKnown: false });
  });

  it('is never more input than the model takes; that much where it is open-ended', () => {
    const tokens = (body: object) => worstCase(prices, 'anthropic', facts(messages, body)).inputTokens;
    expect(tokens({ ...plain, model: 'claude-haiku-4-5', system: 'x'.repeat(3_000_000) })).toBe(200_000);
    expect(tokens({ ...plain, container: 'c' })).toBe(1_000_000);
    expect(worstCase(prices, 'openai', facts(responses, { model: 'gpt-5.5' })).outputTokens).toBe(128_000);
  });
});

describe('a lower output limit', () => {
  const lowered = (of: Api, body: string, tokens: number) => {
    const raw = Buffer.from(body);
    return withOutputLimit(of, raw, facts(of, body), tokens).toString();
  };

  it('is all that changes in the body', () => {
    expect(lowered(messages, '{ "max_tokens" : 32000 , "model":"m", "x":"max_tokens" }', 2000)).toBe(
      '{ "max_tokens" : 2000 , "model":"m", "x":"max_tokens" }',
    );
    expect(lowered(chat, '{"max_tokens":9000,"n":2,"max_completion_tokens":8000,"model":"m"}', 5001)).toBe(
      '{"max_tokens":2500,"n":2,"max_completion_tokens":2500,"model":"m"}',
    );
    expect(lowered(responses, ' {"model":"m"}', 77)).toBe(' {"max_output_tokens":77,"model":"m"}');
    expect(lowered(responses, '{"max_output_tokens":null,"model":"m"}', 77)).toBe(
      '{"max_output_tokens":77,"model":"m"}',
    );
  });
});
