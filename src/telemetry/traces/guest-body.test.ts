import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { agentAttributes, ours } from './attributes.ts';
import { type GuestFrame, readGuestBody } from './guest-body.ts';
import { differs, noUsage, saidIn } from './said.ts';

const now = 1_800_000_000_000;
const ref = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
const frame: GuestFrame = { signal: 'traces', ref, stamp: { [ours.task]: 'T1' }, now, room: 10 };
const read = (body: unknown, more: Partial<GuestFrame> = {}) =>
  readGuestBody(Buffer.from(JSON.stringify(body)), { ...frame, ...more });

function bodyOf(...spans: Record<string, unknown>[]) {
  const whole = spans.map((more) => ({
    ...{ traceId: ref.traceId, spanId: 'c'.repeat(16), name: 'claude_code.tool' },
    ...{ startTimeUnixNano: `${now}000001`, endTimeUnixNano: `${now}000002`, ...more },
  }));
  return { resourceSpans: [{ scopeSpans: [{ spans: whole }] }] };
}
const pair = (key: string, value: unknown) => ({ key, value });

describe('what a guest says of itself', () => {
  it('keeps its times to the nanosecond, and a span without a parent stands below the iteration', () => {
    const [span] = read(bodyOf({}))?.spans ?? [];
    expect(span).toMatchObject({
      ...{ start: [now / 1000, 1], end: [now / 1000, 2], parentSpanId: ref.spanId, attributes: { [ours.task]: 'T1' } },
    });
  });

  it('is let through by name and by form: numbers, truths and words, never sentences', () => {
    const attributes = [
      pair('duration_ms', { stringValue: '181' }),
      pair('input_tokens', { intValue: '12' }),
      pair('cost_usd', { doubleValue: 0.5 }),
      pair('success', { stringValue: 'true' }),
      pair('tool_name', { stringValue: 'mcp__ralph__done' }),
      pair('gen_ai.response.finish_reasons', { arrayValue: { values: [{ stringValue: 'end_turn' }] } }),
      pair('output_tokens', { intValue: -1 }),
      pair('cache_read_tokens', { doubleValue: 1e300 }),
      pair('ttft_ms', { stringValue: '' }),
      pair('model', { stringValue: 'two words' }),
      pair('request_id', { stringValue: 'x'.repeat(81) }),
      pair('stop_reason', { kvlistValue: { values: [] } }),
      pair('attempt', { boolValue: true }),
      pair('user.email', { stringValue: 'a@b.c' }),
      pair('constructor', { stringValue: 'x' }),
      pair('__proto__', { stringValue: 'x' }),
      pair(ours.task, { stringValue: 'T2' }),
    ];
    expect(read(bodyOf({ attributes }))?.spans[0]?.attributes).toEqual({
      ...{ duration_ms: 181, input_tokens: 12, cost_usd: 0.5, success: true, tool_name: 'mcp__ralph__done' },
      ...{ 'gen_ai.response.finish_reasons': ['end_turn'], [ours.task]: 'T1' },
    });
  });

  it('is bounded, and each thing wrong with it is counted by itself', () => {
    const good = Array.from({ length: 12 }, () => ({}));
    expect(read(bodyOf(...good))).toMatchObject({ spans: { length: 10 }, dropped: { many: 2 } });
    const body = bodyOf(
      ...[{ traceId: 'd'.repeat(32) }, { spanId: ref.spanId }, { name: 'task' }, { spanId: 'short' }],
      ...[{ startTimeUnixNano: '5', endTimeUnixNano: '6' }, { endTimeUnixNano: 'soon' }, {}],
    );
    expect(read(body)).toMatchObject({
      spans: { length: 1 },
      dropped: { trace: 2, name: 1, form: 2, time: 1, many: 0 },
    });
  });

  it('may be anything at all: nothing of it is let through but what is known', () => {
    const names = new Set([...Object.keys(agentAttributes), ours.task]);
    const key = fc.oneof(fc.constantFrom(...Object.keys(agentAttributes)), fc.string());
    const value = fc.record(
      { stringValue: fc.anything(), intValue: fc.anything(), boolValue: fc.anything(), arrayValue: fc.anything() },
      { requiredKeys: [] },
    );
    const spans = fc.array(
      fc.record(
        { name: fc.anything(), status: fc.anything(), attributes: fc.array(fc.record({ key, value })) },
        { requiredKeys: ['attributes'] },
      ),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything(),
          spans.map((list) => bodyOf(...list)),
        ),
        (body) => {
          const found = readGuestBody(Buffer.from(JSON.stringify(body) ?? ''), frame);
          for (const { attributes, name } of found?.spans ?? []) {
            expect(name).toMatch(/^claude_code\./);
            for (const [at, one] of Object.entries(attributes)) {
              expect(names.has(at)).toBe(true);
              for (const it of [one].flat()) expect(typeof it === 'string' ? it.length : 0).toBeLessThanOrEqual(80);
            }
          }
        },
      ),
    );
  });

  it('is no request when it is not in JSON and UTF-8, or speaks of something else', () => {
    expect(readGuestBody(Buffer.from('{"resourceSpans":'), frame)).toBeNull();
    expect(readGuestBody(Buffer.from([0xff, 0xfe]), frame)).toBeNull();
    expect(read({ resourceLogs: [] })).toBeNull();
    expect(read({ resourceLogs: [] }, { signal: 'logs' })).toMatchObject({ events: [] });
  });
});

describe('what an agent says of its calls', () => {
  it('is read from one event alone, with the tokens of caches', () => {
    const event = {
      ...ref,
      name: 'claude_code.api_request',
      at: [0, 0] as [number, number],
      from: 'ralph-fleet-agent' as const,
    };
    const attributes = {
      input_tokens: 1,
      cache_read_tokens: 2,
      cache_creation_tokens: 3,
      output_tokens: 4,
      cost_usd: 5,
    };
    expect(saidIn({ ...event, attributes })).toEqual({ calls: 1, inputTokens: 6, outputTokens: 4, usd: 5 });
    expect(saidIn({ ...event, attributes: { cost_usd: 'much' } })).toEqual({ ...noUsage(), calls: 1 });
    expect(saidIn({ ...event, name: 'claude_code.tool_result', attributes })).toBeNull();
  });

  it('is the same as what was metered within one in a hundred', () => {
    const metered = { calls: 3, inputTokens: 1000, outputTokens: 100, usd: 1 };
    expect(differs({ ...metered, usd: 1.005, calls: 2 }, metered)).toBe(false);
    expect(differs({ ...metered, usd: 1.02 }, metered)).toBe(true);
    expect(differs({ ...metered, inputTokens: 0 }, metered)).toBe(true);
    expect(differs(noUsage(), noUsage())).toBe(false);
  });
});
