import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut } from '../../../test/support/cut.ts';
import { chat } from './chat.ts';
import { messages } from './messages.ts';
import { createMeter, type Dialect } from './meter.ts';
import { noUsage } from './prices.ts';
import { responses } from './responses.ts';

const start = {
  type: 'message_start',
  message: {
    model: 'claude-sonnet-4-5-20250929',
    usage: {
      input_tokens: 7,
      cache_creation_input_tokens: 30,
      cache_read_input_tokens: 11,
      cache_creation: { ephemeral_1h_input_tokens: 20, ephemeral_5m_input_tokens: 10 },
      output_tokens: 1,
    },
  },
};
const block = (type: string) => ({ type: 'content_block_start', index: 0, content_block: { type } });
const text = (it: string) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: it } });
const delta = { type: 'message_delta', delta: {}, usage: { output_tokens: 500 } };
const stop = { type: 'message_stop' };
const total = {
  ...noUsage,
  inputTokens: 7,
  cacheWriteTokens: 30,
  cacheWrite1hTokens: 20,
  cacheReadTokens: 11,
  outputTokens: 500,
};

function sse(events: ({ type?: string } | { model: string })[], end = '\n'): string {
  return events
    .map((it) => `${'type' in it ? `event: ${it.type}${end}` : ''}data: ${JSON.stringify(it)}${end}${end}`)
    .join('');
}

function read(dialect: Dialect, contentType: string, pieces: Uint8Array[]) {
  const meter = createMeter(dialect, contentType);
  for (const piece of pieces) meter.push(piece);
  meter.end();
  return meter.seen();
}

const stream = 'text/event-stream; charset=utf-8';
const bytes = (it: string) => [Buffer.from(it)];

describe('a stream of Messages', () => {
  it('tells the same however the bytes are cut and lines are ended', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat()),
        fc.constantFrom('\n', '\r\n', '\r'),
        fc.string({ unit: 'grapheme' }),
        (at, end, said) => {
          const all = Buffer.from(
            `: hello${end}${sse([start, { type: 'ping' }, block('text'), text(said), delta, stop], end)}`,
          );
          expect(read(messages, stream, cut(all, at))).toEqual({
            ...{ model: start.message.model, usage: total, isFinal: true, saysInput: true, saysOutput: true },
            ...{ hidesOutput: false, outputBytes: Buffer.byteLength(JSON.stringify(said)) - 2 },
          });
        },
      ),
    );
  });

  it('that breaks off tells what came, and whether thinking may be hidden', () => {
    const broken = (...events: { type: string }[]) => read(messages, stream, bytes(sse([start, ...events])));
    const came = { isFinal: false, saysInput: true, saysOutput: false };
    expect(broken(block('text'), text('x'.repeat(401)))).toMatchObject({
      ...came,
      outputBytes: 401,
      hidesOutput: false,
    });
    expect(broken()).toMatchObject({ ...came, outputBytes: 0, hidesOutput: true });
    expect(broken(block('thinking'), block('text'))).toMatchObject({ ...came, hidesOutput: true });
    expect(read(messages, stream, bytes(': nothing'))).toMatchObject({ saysInput: false });
  });

  it('never throws, whatever comes, and stays usable', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (garbage) => {
        const seen = read(messages, stream, [...garbage, ...bytes(`\n\n${sse([start, delta, stop])}`)]);
        expect(seen.usage).toEqual(total);
      }),
    );
  });

  it.each([
    { ...start, message: 5 },
    {
      ...start,
      message: { model: 5, usage: { input_tokens: -1, output_tokens: 'many', cache_read_input_tokens: 1e300 } },
    },
    { type: 'message_delta', usage: null },
  ])('ignores what is of the wrong type', (event) => {
    expect(read(messages, stream, bytes(sse([event as never]))).usage).toEqual(noUsage);
  });
});

describe('one answer of Messages', () => {
  const body = Buffer.from(
    JSON.stringify({
      model: 'claude-opus-5',
      content: [{ type: 'text', text: 'üx' }],
      usage: { input_tokens: 3, output_tokens: 4 },
    }),
  );

  it('tells the same however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat()), (at) => {
        expect(read(messages, 'application/json', cut(body, at))).toMatchObject({
          ...{ model: 'claude-opus-5', isFinal: true, saysOutput: true, outputBytes: 3 },
          usage: { ...noUsage, inputTokens: 3, outputTokens: 4 },
        });
      }),
    );
  });

  it('tells nothing before it is complete, and when it is an error', () => {
    expect(read(messages, 'application/json', [body.subarray(0, -1)])).toMatchObject({ saysInput: false });
    expect(read(messages, 'application/json', bytes('{"type":"error"}'))).toMatchObject({
      saysInput: false,
      isFinal: false,
    });
  });
});

const usage = {
  input_tokens: 100,
  input_tokens_details: { cached_tokens: 40, cache_write_tokens: 10 },
  output_tokens: 9,
};
const counted = { ...noUsage, inputTokens: 50, cacheReadTokens: 40, cacheWriteTokens: 10, outputTokens: 9 };

describe('OpenAI Responses', () => {
  const events = [
    { type: 'response.created', response: { model: 'gpt-6.2-sol', usage: null } },
    { type: 'response.output_text.delta', delta: 'hello' },
    { type: 'response.web_search_call.completed' },
    { type: 'response.function_call_arguments.delta', delta: '{}' },
    {
      type: 'response.completed',
      response: { model: 'gpt-6.2-sol', output: ['x'.repeat(2_000_000)], service_tier: 'priority', usage },
    },
  ];

  it('are metered by the event that ends them, however large', () => {
    fc.assert(
      fc.property(fc.array(fc.nat()), (at) => {
        expect(read(responses, stream, cut(Buffer.from(sse(events)), at))).toMatchObject({
          ...{ model: 'gpt-6.2-sol', isFinal: true, saysInput: true, saysOutput: true, outputBytes: 7 },
          usage: { ...counted, webSearches: 1, fast: true },
        });
      }),
      { numRuns: 10 },
    );
    expect(read(responses, stream, bytes(sse(events.slice(0, 4))))).toMatchObject({ isFinal: false, saysInput: false });
  });

  it('are metered as one answer too', () => {
    const output = [
      { type: 'message', content: [{ type: 'output_text', text: 'hello' }] },
      { type: 'web_search_call' },
    ];
    const answer = JSON.stringify({ model: 'gpt-6.2-sol', output, usage });
    expect(read(responses, 'application/json', bytes(answer))).toMatchObject({
      ...{ isFinal: true, outputBytes: 5, usage: { ...counted, webSearches: 1 } },
    });
  });
});

describe('OpenAI Chat Completions', () => {
  const chunk = (content: string) => ({ model: 'gpt-5.1', choices: [{ delta: { content } }], usage: null });
  const last = {
    model: 'gpt-5.1',
    choices: [],
    usage: { prompt_tokens: 100, prompt_tokens_details: { cached_tokens: 40 }, completion_tokens: 9 },
  };
  const seen = { ...noUsage, inputTokens: 60, cacheReadTokens: 40, outputTokens: 9 };

  it('are metered by the chunk that tells, and over with the mark', () => {
    fc.assert(
      fc.property(fc.array(fc.nat()), (at) => {
        const all = `${sse([chunk('hel'), chunk('lo'), last])}data: [DONE]\n\n`;
        expect(read(chat, stream, cut(Buffer.from(all), at))).toMatchObject({
          ...{ model: 'gpt-5.1', isFinal: true, saysInput: true, outputBytes: 5, usage: seen },
        });
      }),
    );
    const silent = read(chat, stream, bytes(`${sse([chunk('hello')])}data: [DONE]\n\n`));
    expect(silent).toMatchObject({ isFinal: true, saysInput: false, outputBytes: 5 });
  });

  it('are metered as one answer too', () => {
    const answer = JSON.stringify({ ...last, choices: [{ message: { content: 'hello' } }] });
    expect(read(chat, 'application/json', bytes(answer))).toMatchObject({ isFinal: true, outputBytes: 5, usage: seen });
  });
});
