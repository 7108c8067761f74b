import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noUsage } from './prices.ts';
import { createSseParser } from './sse.ts';
import { createUsageMeter, requestedModel } from './usage.ts';

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

function sse(events: { type: string }[], end = '\n'): string {
  return events.map((it) => `event: ${it.type}${end}data: ${JSON.stringify(it)}${end}${end}`).join('');
}

/** The bytes, cut anywhere, also in the middle of a character. */
function cut(bytes: Uint8Array, at: number[]): Uint8Array[] {
  const places = [0, ...at.map((it) => it % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((to, index) => bytes.subarray(places[index], to));
}

function read(contentType: string, pieces: Uint8Array[]) {
  const meter = createUsageMeter(contentType);
  for (const piece of pieces) meter.push(piece);
  meter.end();
  return meter.seen();
}

const stream = 'text/event-stream; charset=utf-8';

describe('usage of a stream', () => {
  it('is the same however the bytes are cut and lines are ended', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat()),
        fc.constantFrom('\n', '\r\n', '\r'),
        fc.string({ unit: 'grapheme' }),
        (at, end, said) => {
          const bytes = Buffer.from(`: hello${end}${sse([start, { type: 'ping' }, text(said), delta, stop], end)}`);
          expect(read(stream, cut(bytes, at))).toEqual({ model: start.message.model, usage: total, isFinal: true });
        },
      ),
    );
  });

  it('counts the output that was seen when the end is missing', () => {
    const seen = read(stream, [Buffer.from(sse([start, text('x'.repeat(401))]))]);
    expect(seen).toMatchObject({ isFinal: false, usage: { inputTokens: 7, outputTokens: 101 } });
  });

  it('never throws, whatever comes, and stays usable', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (garbage) => {
        const seen = read(stream, [...garbage, Buffer.from(`\n\n${sse([start, delta, stop])}`)]);
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
    expect(read(stream, [Buffer.from(sse([event as never]))]).usage).toEqual(noUsage);
  });

  it('joins the data lines of one event, whatever ends them and wherever they are cut', () => {
    fc.assert(
      fc.property(fc.constantFrom('\n', '\r\n', '\r'), fc.array(fc.nat()), (end, at) => {
        const got: string[] = [];
        const parser = createSseParser((data) => got.push(data));
        const lines = ['id: 1', 'data: a', 'data:b', 'data', '', ': note', '', 'data: c', '', ''];
        for (const piece of cut(Buffer.from(lines.join(end)), at)) parser.push(piece);
        expect(got).toEqual(['a\nb\n', 'c']);
      }),
    );
  });

  it('drops an event longer than it may hold, and reads on', () => {
    const got: string[] = [];
    const parser = createSseParser((data) => got.push(data), 100);
    parser.push(Buffer.from(`data: ${'x'.repeat(5000)}`));
    parser.push(Buffer.from(`${'x'.repeat(5000)}\ndata: y\n\ndata: a\ndata: b\n\n`));
    expect(got).toEqual(['a\nb']);
  });
});

describe('usage of one JSON answer', () => {
  const body = Buffer.from(
    JSON.stringify({ model: 'claude-opus-5', usage: { input_tokens: 3, output_tokens: 4 }, content: ['ü'] }),
  );

  it('is the same however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat()), (at) => {
        const seen = read('application/json', cut(body, at));
        expect(seen).toEqual({
          model: 'claude-opus-5',
          usage: { ...noUsage, inputTokens: 3, outputTokens: 4 },
          isFinal: true,
        });
      }),
    );
  });

  it('is nothing when the answer is cut off, too large or no message', () => {
    expect(read('application/json', [body.subarray(0, 20)]).usage).toEqual(noUsage);
    const small = createUsageMeter('application/json', 10);
    small.push(body);
    small.end();
    expect(small.seen().usage).toEqual(noUsage);
    expect(read('application/json', [Buffer.from('[]')]).usage).toEqual(noUsage);
  });
});

describe('requestedModel', () => {
  it('reads the model of a request, or nothing', () => {
    expect(requestedModel('{"model":"claude-opus-5","messages":[]}')).toBe('claude-opus-5');
    for (const bad of ['', '{"model":', '{"model":5}', 'null', '{"messages":[]}'])
      expect(requestedModel(bad)).toBeNull();
  });
});
