import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { priceFile } from '../../contract/prices.ts';
import { countCall } from './counted.ts';
import { type Seen, unseen } from './meter.ts';
import { createPrices, noUsage } from './prices.ts';

const prices = createPrices(priceFile.parse(JSON.parse(readFileSync('prices/prices.json', 'utf8'))), null);
const reserved = {
  ...({ provider: 'anthropic', model: 'claude-sonnet-4-6', priceKnown: true } as const),
  ...{ inputTokens: 10_000, outputTokens: 4000, usd: 0.09 },
};
const full: Seen = {
  ...{ model: 'claude-sonnet-4-6', usage: { ...noUsage, inputTokens: 100, cacheReadTokens: 50, outputTokens: 20 } },
  ...{ saysInput: true, saysOutput: true, isFinal: true, outputBytes: 90, hidesOutput: false },
};
const count = (seen: Seen | null, more: { isSent?: boolean; status?: number } = {}) =>
  countCall(reserved, { isSent: true, status: 200, seen, ...more }, prices);
const atWorst = { inputTokens: 10_000, outputTokens: 4000, usd: 0.09, counted: 'worst' };

describe('what a call comes to', () => {
  it('is what the provider says, when it says it all', () => {
    expect(count(full)).toMatchObject({
      inputTokens: 100,
      cacheReadTokens: 50,
      outputTokens: 20,
      counted: 'said',
      flags: [],
    });
    expect(count({ ...full, isFinal: false })).toMatchObject({ counted: 'said' });
  });

  it('is nothing when it never went up, or was refused there', () => {
    expect(count(null, { isSent: false, status: 0 })).toMatchObject({ usd: 0, inputTokens: 0, counted: 'nothing' });
    expect(count(unseen, { status: 529 })).toMatchObject({ usd: 0, counted: 'nothing' });
  });

  it('is the worst case when nothing is known', () => {
    expect(count(null, { status: 0 })).toMatchObject(atWorst);
    expect(count(unseen)).toMatchObject(atWorst);
    expect(count({ ...full, usage: noUsage })).toMatchObject(atWorst);
  });

  it('is what is known of a stream that broke off: the input, and at most what came of the output', () => {
    const broken = { ...full, saysOutput: false, isFinal: false, usage: { ...full.usage, outputTokens: 1 } };
    expect(count({ ...broken, outputBytes: 300 })).toMatchObject({
      inputTokens: 100,
      outputTokens: 300,
      counted: 'delivered',
    });
    expect(count({ ...broken, outputBytes: 9_000_000 })).toMatchObject({ outputTokens: 4000, counted: 'delivered' });
    expect(count({ ...broken, hidesOutput: true })).toMatchObject({
      inputTokens: 100,
      outputTokens: 4000,
      counted: 'worst',
    });
  });

  it('is what was delivered when the provider says that it was much less', () => {
    expect(count({ ...full, outputBytes: 8000 })).toMatchObject({
      outputTokens: 2000,
      counted: 'said',
      flags: ['says-less'],
    });
    expect(count({ ...full, outputBytes: 8_000_000 })).toMatchObject({ outputTokens: 4000, flags: ['says-less'] });
    expect(count({ ...full, outputBytes: 600 })).toMatchObject({ outputTokens: 20, flags: [] });
  });

  it('is what the provider says also when that is more than it can be, and flagged', () => {
    const more = { ...full, usage: { ...full.usage, inputTokens: 50_000, outputTokens: 90_000 } };
    expect(count(more)).toMatchObject({ inputTokens: 50_000, outputTokens: 90_000, flags: ['says-more'] });
  });
});
