import { describe, expect, it } from 'vitest';
import { countedTokens, noUsage, priceOf } from './prices.ts';

const million = 1_000_000;

describe('priceOf', () => {
  it('prices input, output, cache writes by lifetime and cache reads', () => {
    const price = (usage: Partial<typeof noUsage>) => priceOf('claude-sonnet-4-6', { ...noUsage, ...usage }).usd;
    expect(price({ inputTokens: million })).toBeCloseTo(3);
    expect(price({ outputTokens: million })).toBeCloseTo(15);
    expect(price({ cacheWriteTokens: million })).toBeCloseTo(3.75);
    expect(price({ cacheWriteTokens: million, cacheWrite1hTokens: million })).toBeCloseTo(6);
    expect(price({ cacheReadTokens: million })).toBeCloseTo(0.3);
    expect(price({ webSearches: 100 })).toBeCloseTo(1);
    expect(price({ inputTokens: million, inUs: true })).toBeCloseTo(3.3);
    expect(price({ inputTokens: million, fast: true })).toBeCloseTo(18);
  });

  it('takes the longest name that fits, with a date or a context mark behind it', () => {
    const input = (model: string) => priceOf(model, { ...noUsage, inputTokens: million }).usd;
    expect(input('claude-opus-4-20250514')).toBeCloseTo(15);
    expect(input('claude-opus-4-5-20251101')).toBeCloseTo(5);
    expect(input('claude-opus-5-5[1m]')).toBeCloseTo(4);
    expect(input('claude-opus-5')).toBeCloseTo(5);
  });

  it('prices a long prompt as such', () => {
    const usage = { ...noUsage, inputTokens: 1, cacheReadTokens: 200_000, outputTokens: million };
    expect(priceOf('claude-sonnet-4-5', usage).usd).toBeCloseTo(22.5 + 0.12, 3);
    expect(priceOf('claude-sonnet-4-5', { ...usage, cacheReadTokens: 199_999 }).usd).toBeCloseTo(15 + 0.06, 3);
  });

  it.each(['', 'claude-sonnet-40', 'gpt-9', '__proto__'])(
    'prices unknown `%s` as the dearest, and says so',
    (model) => {
      expect(priceOf(model, { ...noUsage, outputTokens: million })).toEqual({ usd: 75, priceKnown: false });
    },
  );

  it('does not count cache reads as tokens', () => {
    expect(
      countedTokens({ ...noUsage, inputTokens: 1, cacheWriteTokens: 2, cacheReadTokens: 4, outputTokens: 8 } as never),
    ).toBe(11);
  });
});
