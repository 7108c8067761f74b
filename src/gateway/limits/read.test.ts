import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { longestLimitMs, readWindows } from './read.ts';

const now = Date.parse('2026-11-21T00:00:00Z');
const seconds = (ms: number) => String(Math.floor(ms / 1000));
const inHours = (hours: number) => seconds(now + hours * 3_600_000);
const until = (headers: Record<string, string>, status = 429) =>
  readWindows(status, headers, now).find((it) => it.isReached)?.until ?? null;

const subscription = {
  'anthropic-ratelimit-unified-status': 'rejected',
  'anthropic-ratelimit-unified-reset': inHours(3),
  'anthropic-ratelimit-unified-representative-claim': 'five_hour',
  'anthropic-ratelimit-unified-5h-status': 'rejected',
  'anthropic-ratelimit-unified-5h-reset': inHours(3),
  'anthropic-ratelimit-unified-5h-utilization': '1.0',
  'anthropic-ratelimit-unified-7d-status': 'allowed_warning',
  'anthropic-ratelimit-unified-7d-reset': inHours(70),
  'anthropic-ratelimit-unified-7d-utilization': '0.83',
};

describe('a subscription', () => {
  it('tells which window is reached, and of all how much is used', () => {
    expect(readWindows(429, subscription, now)).toEqual([
      { window: '5h', isReached: true, usedRatio: 1, until: now + 3 * 3_600_000 },
      { window: '7d', isReached: false, usedRatio: 0.83, until: now + 70 * 3_600_000 },
    ]);
  });

  it('is believed on its windows before retry-after', () => {
    expect(until({ ...subscription, 'retry-after': '5' })).toBe(now + 3 * 3_600_000);
  });

  it('that names the window only in its claim is understood', () => {
    const headers = {
      'anthropic-ratelimit-unified-status': 'rejected',
      'anthropic-ratelimit-unified-reset': inHours(70),
      'anthropic-ratelimit-unified-representative-claim': 'seven_day',
    };
    expect(readWindows(429, headers, now)).toEqual([
      { window: '7d', isReached: true, usedRatio: null, until: now + 70 * 3_600_000 },
    ]);
  });

  it('limits nobody as long as calls pass, nor where only too many came at once', () => {
    expect(until(subscription, 200)).toBeNull();
    const allowed = { ...subscription, 'anthropic-ratelimit-unified-status': 'allowed' };
    expect(until(allowed)).toBe(now + 3 * 3_600_000); // the only time it tells
    expect(until({ ...allowed, 'retry-after': '7' })).toBe(now + 7000);
  });
});

describe('a key', () => {
  it('says when to come back, in seconds, milliseconds or as a date', () => {
    expect(until({ 'retry-after': '20' })).toBe(now + 20_000);
    expect(until({ 'retry-after': '1.5' })).toBe(now + 1500);
    expect(until({ 'retry-after': '20', 'retry-after-ms': '1500' })).toBe(now + 1500);
    expect(until({ 'retry-after': 'Sat, 21 Nov 2026 00:01:00 GMT' })).toBe(now + 60_000);
  });

  it('else waits for the last of what is used up', () => {
    const anthropic = {
      'anthropic-ratelimit-requests-remaining': '0',
      'anthropic-ratelimit-requests-reset': '2026-11-21T00:00:09Z',
      'anthropic-ratelimit-input-tokens-remaining': '0',
      'anthropic-ratelimit-input-tokens-reset': '2026-11-21T00:00:40Z',
      'anthropic-ratelimit-output-tokens-remaining': '5000',
      'anthropic-ratelimit-output-tokens-reset': '2026-11-21T00:10:00Z',
    };
    expect(until(anthropic)).toBe(now + 40_000);
    const openai = {
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '6m0s',
      'x-ratelimit-remaining-tokens': '12',
      'x-ratelimit-reset-tokens': '20h',
    };
    expect(until(openai)).toBe(now + 360_000);
    expect(until({ ...openai, 'x-ratelimit-reset-requests': '1.5s' })).toBe(now + 1500);
    expect(until({ ...openai, 'x-ratelimit-reset-requests': '120ms' })).toBe(now + 120);
  });
});

describe('what is no time', () => {
  it.each([
    [{}],
    [{ 'retry-after': '-5' }],
    [{ 'retry-after': '0' }],
    [{ 'retry-after': 'NaN' }],
    [{ 'retry-after': 'soon' }],
    [{ 'retry-after': '' }],
    [{ 'retry-after': '1e9' }],
    [{ 'retry-after': '9'.repeat(1024 * 1024) }],
    [{ 'retry-after': 'Sat, 21 Nov 2020 00:01:00 GMT' }],
    [{ ...subscription, 'anthropic-ratelimit-unified-reset': '1', 'anthropic-ratelimit-unified-5h-reset': '-1' }],
    [{ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '1m-5s' }],
    [{ 'anthropic-ratelimit-tokens-remaining': '0', 'anthropic-ratelimit-tokens-reset': 'x'.repeat(1024 * 1024) }],
  ])('limits nobody: %#', (headers) => {
    const { 'anthropic-ratelimit-unified-7d-reset': _, ...rest } = headers as Record<string, string>;
    expect(readWindows(429, rest, now).filter((it) => it.isReached)).toEqual([]);
  });

  it.each([
    [{ 'retry-after': 'Fri, 31 Dec 9999 23:59:59 GMT' }],
    [{ 'retry-after': '9999999999999' }],
    [{ 'retry-after-ms': '9999999999999' }],
    [{ ...subscription, 'anthropic-ratelimit-unified-5h-reset': '99999999999' }],
    [{ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '999999999d' }],
    [{ 'anthropic-ratelimit-tokens-remaining': '0', 'anthropic-ratelimit-tokens-reset': '9999-12-31T23:59:59Z' }],
  ])('is never longer than eight days: %#', (headers) => {
    expect(until(headers as Record<string, string>)).toBe(now + longestLimitMs);
  });

  it('whatever stands in the headers: within bounds, and few', () => {
    const name = fc.oneof(
      fc.constantFrom('retry-after', 'retry-after-ms', ...Object.keys(subscription)),
      fc.stringMatching(/^anthropic-ratelimit-unified-\d{1,4}[hd]-(reset|status|utilization)$/),
      fc.constantFrom('x-ratelimit-remaining-tokens', 'x-ratelimit-reset-tokens', 'anthropic-ratelimit-tokens-reset'),
    );
    const value = fc.oneof(
      fc.string(),
      fc.constantFrom('rejected', '0', '1', '-1', '1e400', 'Infinity', '0x10', inHours(1), inHours(-1), '6m0s'),
      fc.integer().map(String),
      fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
    );
    fc.assert(
      fc.property(fc.dictionary(name, value), fc.constantFrom(200, 429, 529), (headers, status) => {
        const seen = readWindows(status, headers, now);
        expect(seen.length).toBeLessThanOrEqual(13);
        for (const { until: end, usedRatio } of seen) {
          expect(end).toBeGreaterThan(now);
          expect(end).toBeLessThanOrEqual(now + longestLimitMs);
          expect(usedRatio ?? 0).toBeGreaterThanOrEqual(0);
          expect(usedRatio ?? 0).toBeLessThanOrEqual(1);
        }
        if (status !== 429) expect(seen.some((it) => it.isReached)).toBe(false);
      }),
    );
  });
});
