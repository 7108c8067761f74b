/**
 * What tokens cost, in USD per million. Source: the model pricing table of https://platform.claude.com/docs (About Claude,
 * Pricing), read 2026-11-21, and for fast mode and inference in one country the price table inside Claude Code 2.1.329.
 * What is unknown is priced as the dearest known: a limit may bite early, never late.
 */
export interface Usage {
  inputTokens: number;
  /** All cache writes; `cacheWrite1hTokens` of them with the one-hour lifetime. */
  cacheWriteTokens: number;
  cacheWrite1hTokens: number;
  cacheReadTokens: number;
  outputTokens: number;
  webSearches: number;
  fast: boolean;
  inUs: boolean;
}

export const noUsage: Usage = {
  inputTokens: 0,
  cacheWriteTokens: 0,
  cacheWrite1hTokens: 0,
  cacheReadTokens: 0,
  outputTokens: 0,
  webSearches: 0,
  fast: false,
  inUs: false,
};

interface Price {
  input: number;
  output: number;
  /** As a share of `input`. */
  cacheRead: number;
  /** Prices of a call whose whole prompt is longer than `above` tokens. */
  long?: { above: number; input: number; output: number };
}

/** By the beginning of the model's name; the longest that fits counts. */
const prices: Readonly<Record<string, Price>> = {
  'claude-fable-5': { input: 10, output: 50, cacheRead: 0.1 },
  'claude-fable-5-1': { input: 10, output: 50, cacheRead: 0.025 },
  'claude-mythos-5': { input: 10, output: 50, cacheRead: 0.1 },
  'claude-mythos-5-1': { input: 10, output: 50, cacheRead: 0.025 },
  'claude-opus-4': { input: 15, output: 75, cacheRead: 0.1 },
  'claude-opus-4-5': { input: 5, output: 25, cacheRead: 0.1 },
  'claude-opus-4-6': { input: 5, output: 25, cacheRead: 0.1 },
  'claude-opus-4-7': { input: 5, output: 25, cacheRead: 0.1 },
  'claude-opus-4-8': { input: 5, output: 25, cacheRead: 0.1 },
  'claude-opus-5': { input: 5, output: 25, cacheRead: 0.1 },
  'claude-opus-5-5': { input: 4, output: 20, cacheRead: 0.05 },
  'claude-sonnet-4': { input: 3, output: 15, cacheRead: 0.1, long: { above: 200_000, input: 6, output: 22.5 } },
  'claude-sonnet-4-6': { input: 3, output: 15, cacheRead: 0.1 },
  'claude-sonnet-5': { input: 2, output: 10, cacheRead: 0.1 },
  'claude-sonnet-5-5': { input: 2, output: 10, cacheRead: 0.05 },
  'claude-haiku-4-5': { input: 1, output: 5, cacheRead: 0.1 },
  'claude-haiku-5-5': { input: 0.1, output: 0.5, cacheRead: 0.1, long: { above: 100_000, input: 0.5, output: 2.5 } },
  'claude-3-5-haiku': { input: 0.8, output: 4, cacheRead: 0.1 },
};

const dearest: Price = { input: 15, output: 75, cacheRead: 0.1 };
const cacheWrite5m = 1.25;
const cacheWrite1h = 2;
const fastFactor = 6;
const inUsFactor = 1.1;
const usdPerWebSearch = 0.01;

export function priceOf(model: string, usage: Usage): { usd: number; priceKnown: boolean } {
  const found = findPrice(model);
  const price = found ?? dearest;
  const prompt = usage.inputTokens + usage.cacheWriteTokens + usage.cacheReadTokens;
  const { input, output } = price.long !== undefined && prompt > price.long.above ? price.long : price;
  const oneHour = Math.min(usage.cacheWrite1hTokens, usage.cacheWriteTokens);
  const weighed =
    usage.inputTokens * input +
    (usage.cacheWriteTokens - oneHour) * input * cacheWrite5m +
    oneHour * input * cacheWrite1h +
    usage.cacheReadTokens * input * price.cacheRead +
    usage.outputTokens * output;
  const factor = (usage.fast ? fastFactor : 1) * (usage.inUs ? inUsFactor : 1);
  return { usd: (weighed / 1e6) * factor + usage.webSearches * usdPerWebSearch, priceKnown: found !== null };
}

/** What counts against a token limit: cache reads are priced, not counted. */
export function countedTokens(usage: Pick<Usage, 'inputTokens' | 'cacheWriteTokens' | 'outputTokens'>): number {
  return usage.inputTokens + usage.cacheWriteTokens + usage.outputTokens;
}

/** `claude-sonnet-4-5-20250929` is `claude-sonnet-4-5`, but `claude-sonnet-40` is not `claude-sonnet-4`. */
function findPrice(model: string): Price | null {
  let best: string | null = null;
  for (const name of Object.keys(prices)) {
    const fits = model === name || (model.startsWith(name) && /[-@[]/.test(model.charAt(name.length)));
    if (fits && (best === null || name.length > best.length)) best = name;
  }
  return best === null ? null : (prices[best] ?? null);
}
