import type { Provider } from '../../domain/credential.ts';
import { noUsage, type Prices, type Usage } from '../meter/prices.ts';
import type { Need } from './level.ts';
import type { RequestFacts } from './request.ts';

/** What a provider puts round a request by itself: its words on tools, marks between messages. */
const addedTokens = 2048;

/**
 * The most a call can cost, known before it leaves: a token is at least one byte of the body, an image at most so many tokens, the
 * prompt at most what the model takes, the output at most its limit. What a request leaves open (files, tools that the provider
 * runs) counts as a prompt as long as the model takes.
 */
export function worstCase(prices: Prices, provider: Provider, facts: RequestFacts): Need & { priceKnown: boolean } {
  const { context, maxOutput, priceKnown } = prices.model(provider, facts.model);
  const inBody = facts.inputBytes + facts.images * prices.facts(provider).imageTokens + addedTokens;
  const inputTokens = facts.isOpenEnded ? context : Math.min(inBody, context);
  const outputTokens = facts.outputTokens ?? maxOutput * facts.choices;
  const usd = (more: Partial<Usage>) =>
    prices.of(provider, facts.model, { ...prompt(provider, facts, inputTokens), ...more }).usd;
  const usdBase = usd({});
  return {
    inputTokens,
    outputTokens,
    floorTokens: Math.min(outputTokens, facts.floorTokens),
    usdBase,
    usdPerOutputToken: (usd({ outputTokens: 1_000_000 }) - usdBase) / 1_000_000,
    priceKnown,
  };
}

function prompt(provider: Provider, facts: RequestFacts, tokens: number): Usage {
  const { fast, inRegion, webSearches, cacheWrites } = facts;
  const usage = { ...noUsage, fast, inRegion, webSearches };
  if (cacheWrites === 'long') return { ...usage, cacheWriteTokens: tokens, cacheWrite1hTokens: tokens };
  // OpenAI writes its cache unasked.
  if (cacheWrites === 'short' || provider === 'openai') return { ...usage, cacheWriteTokens: tokens };
  return { ...usage, inputTokens: tokens };
}
