import { z } from 'zod';

/**
 * `prices.json`: what tokens cost, in USD per million. The program brings a dated one; what a person writes into their own
 * (`~/.config/ralph-fleet/prices.json`, the same form) replaces it model by model.
 */
const usd = z.number().nonnegative();

export const modelPrice = z.strictObject({
  input: usd,
  output: usd,
  cacheRead: usd.describe('Input that was read from the provider’s cache'),
  maxOutput: z.int().positive().default(128_000).describe('The most output of one call'),
  context: z.int().positive().default(1_000_000).describe('The most input of one call'),
  long: z
    .strictObject({ above: z.int().positive(), input: usd, output: usd })
    .optional()
    .describe('Prices of a call whose whole prompt is longer than `above` tokens'),
  fast: z.number().positive().optional().describe('What a call in fast or priority mode costs, as a multiple'),
});

const provider = z.strictObject({
  cacheWrite: z.number().positive().describe('Input written into the cache, as a multiple of `input`'),
  cacheWriteLong: z.number().positive().describe('The same, for the longer lifetime'),
  fast: z.number().positive(),
  inRegion: z.number().positive().describe('Inference in one country, as a multiple'),
  webSearchUsd: usd.describe('Each web search of the provider’s own'),
  imageTokens: z.int().positive().describe('The most tokens of one image'),
  models: z.record(z.string().min(1).max(200), modelPrice),
});

export const priceFile = z.strictObject({
  version: z.literal(1),
  asOf: z.iso.date(),
  sources: z.array(z.string()).default([]),
  notes: z.array(z.string()).default([]),
  providers: z.strictObject({ anthropic: provider, openai: provider }),
});

export const ownPriceFile = z.strictObject({
  version: z.literal(1),
  asOf: z.iso.date().optional(),
  sources: z.array(z.string()).default([]),
  notes: z.array(z.string()).default([]),
  providers: z.strictObject({ anthropic: provider.partial().optional(), openai: provider.partial().optional() }),
});

export type ModelPrice = z.output<typeof modelPrice>;
export type PriceTable = z.output<typeof priceFile>;
export type OwnPrices = z.output<typeof ownPriceFile>;
