import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ownPriceFile, priceFile } from '../../contract/prices.ts';
import { createPrices, noUsage, type Usage } from './prices.ts';

const million = 1_000_000;
const builtIn = priceFile.parse(JSON.parse(readFileSync('prices/prices.json', 'utf8')));
const prices = createPrices(builtIn, null);
const of = (model: string, usage: Partial<Usage>, provider: 'anthropic' | 'openai' = 'anthropic') =>
  prices.of(provider, model, { ...noUsage, ...usage });

describe('the price list', () => {
  it('says when it was read, and from where', () => {
    expect(builtIn.asOf).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(builtIn.sources.join(' ')).toMatch(/platform\.claude\.com.*developers\.openai\.com/);
  });

  it('prices input, output, cache writes by lifetime and cache reads', () => {
    const price = (usage: Partial<Usage>) => of('claude-sonnet-4-6', usage).usd;
    expect(price({ inputTokens: million })).toBeCloseTo(3);
    expect(price({ outputTokens: million })).toBeCloseTo(15);
    expect(price({ cacheWriteTokens: million })).toBeCloseTo(3.75);
    expect(price({ cacheWriteTokens: million, cacheWrite1hTokens: million })).toBeCloseTo(6);
    expect(price({ cacheReadTokens: million })).toBeCloseTo(0.3);
    expect(price({ webSearches: 100 })).toBeCloseTo(1);
    expect(price({ inputTokens: million, inRegion: true })).toBeCloseTo(3.3);
    expect(price({ inputTokens: million, fast: true })).toBeCloseTo(18);
    expect(of('claude-opus-5-5', { inputTokens: million, fast: true }).usd).toBeCloseTo(8);
    const mixed = { inputTokens: million, cacheReadTokens: million, outputTokens: million };
    expect(of('gpt-5.1', mixed, 'openai').usd).toBeCloseTo(11.375);
  });

  it('knows a model with a date or a mark behind its name', () => {
    const input = (model: string) => of(model, { inputTokens: 1000 }).usd * 1000;
    expect(input('claude-opus-4-20250514')).toBeCloseTo(15);
    expect(input('claude-opus-4-5-20251101')).toBeCloseTo(5);
    expect(input('claude-opus-5-5[1m]')).toBeCloseTo(4);
    expect(input('claude-opus-5')).toBeCloseTo(5);
    expect(of('gpt-5.1-2026-01-02', {}, 'openai').priceKnown).toBe(true);
  });

  it('prices a long prompt as such', () => {
    const usage = { inputTokens: 1, cacheReadTokens: 200_000, outputTokens: million };
    expect(of('claude-sonnet-4-5', usage).usd).toBeCloseTo(22.5 + 0.12, 3);
    expect(of('claude-sonnet-4-5', { ...usage, cacheReadTokens: 199_999 }).usd).toBeCloseTo(15 + 0.06, 3);
  });

  it.each(['', 'claude-sonnet-40', 'claude-opus-5-pro', 'gpt-9', '__proto__'])(
    'prices unknown `%s` as the dearest of its provider, and says so',
    (model) => {
      expect(of(model, { outputTokens: million })).toEqual({ usd: 75, priceKnown: false });
      expect(of(model, { outputTokens: million }, 'openai')).toEqual({ usd: 180, priceKnown: false });
    },
  );

  it("is the user's own where they wrote one, model by model", () => {
    const own = ownPriceFile.parse({
      version: 1,
      providers: { anthropic: { fast: 9, models: { 'claude-next-9': { input: 1, output: 2, cacheRead: 0.1 } } } },
    });
    const mine = createPrices(builtIn, own);
    const usage = { ...noUsage, outputTokens: million };
    expect(mine.of('anthropic', 'claude-next-9', usage)).toEqual({ usd: 2, priceKnown: true });
    expect(mine.of('anthropic', 'claude-next-9', { ...usage, fast: true }).usd).toBe(18);
    expect(mine.of('anthropic', 'claude-opus-5', usage)).toEqual({ usd: 25, priceKnown: true });
    expect(() =>
      ownPriceFile.parse({ version: 1, providers: { anthropic: { models: { x: { input: -1 } } } } }),
    ).toThrow();
  });
});
