import type { ModelPrice, OwnPrices, PriceTable } from '../../contract/prices.ts';
import type { Provider } from '../../domain/credential.ts';

/** What one call used, in the words of all providers. */
export interface Usage {
  inputTokens: number;
  /** All cache writes; `cacheWrite1hTokens` of them with the longer lifetime. */
  cacheWriteTokens: number;
  cacheWrite1hTokens: number;
  cacheReadTokens: number;
  outputTokens: number;
  webSearches: number;
  fast: boolean;
  inRegion: boolean;
}

export const noUsage: Usage = {
  inputTokens: 0,
  cacheWriteTokens: 0,
  cacheWrite1hTokens: 0,
  cacheReadTokens: 0,
  outputTokens: 0,
  webSearches: 0,
  fast: false,
  inRegion: false,
};

/** Pure: the price table as the gateway uses it. What is unknown is priced as the dearest known of its provider. */
export interface Prices {
  of(provider: Provider, model: string, usage: Usage): { usd: number; priceKnown: boolean };
  model(provider: Provider, model: string): ModelPrice & { priceKnown: boolean };
  /** What holds for all models of a provider. */
  facts(provider: Provider): Omit<PriceTable['providers'][Provider], 'models'>;
  asOf: string;
}

export function createPrices(builtIn: PriceTable, own: OwnPrices | null): Prices {
  const table = { anthropic: merged('anthropic'), openai: merged('openai') };

  function merged(provider: Provider): PriceTable['providers'][Provider] {
    const base = builtIn.providers[provider];
    const { models, ...more } = own?.providers[provider] ?? {};
    const facts = Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined));
    return { ...base, ...facts, models: { ...base.models, ...models } };
  }

  function model(provider: Provider, name: string): ModelPrice & { priceKnown: boolean } {
    const { models } = table[provider];
    const found = findName(Object.keys(models), name);
    const price = found === null ? undefined : models[found];
    return price === undefined
      ? { ...dearest(Object.values(models)), priceKnown: false }
      : { ...price, priceKnown: true };
  }

  return {
    asOf: own?.asOf ?? builtIn.asOf,
    model,
    facts: (provider) => table[provider],
    of: (provider, name, usage) => {
      const { priceKnown, ...price } = model(provider, name);
      return { usd: priceOf(price, table[provider], usage), priceKnown };
    },
  };
}

function priceOf(price: ModelPrice, facts: ReturnType<Prices['facts']>, usage: Usage): number {
  const prompt = usage.inputTokens + usage.cacheWriteTokens + usage.cacheReadTokens;
  const { input, output } = price.long !== undefined && prompt > price.long.above ? price.long : price;
  const cacheRead = price.input === 0 ? price.cacheRead : (price.cacheRead * input) / price.input;
  const long = Math.min(usage.cacheWrite1hTokens, usage.cacheWriteTokens);
  const weighed =
    usage.inputTokens * input +
    (usage.cacheWriteTokens - long) * input * facts.cacheWrite +
    long * input * facts.cacheWriteLong +
    usage.cacheReadTokens * cacheRead +
    usage.outputTokens * output;
  const factor = (usage.fast ? (price.fast ?? facts.fast) : 1) * (usage.inRegion ? facts.inRegion : 1);
  return (weighed / 1e6) * factor + usage.webSearches * facts.webSearchUsd;
}

/** Each figure the highest there is: a limit may bite early, never late. */
function dearest(all: readonly ModelPrice[]): ModelPrice {
  const most = (of: (price: ModelPrice) => number) => Math.max(...all.map(of));
  return {
    input: most((it) => Math.max(it.input, it.long?.input ?? 0)),
    output: most((it) => Math.max(it.output, it.long?.output ?? 0)),
    cacheRead: most((it) => it.cacheRead),
    maxOutput: most((it) => it.maxOutput),
    context: most((it) => it.context),
  };
}

/** `claude-sonnet-4-5-20250929` and `claude-opus-5-5[1m]` are known, but `gpt-5.2-pro` is no `gpt-5.2`. */
function findName(names: readonly string[], model: string): string | null {
  const plain = model.replace(/\[\w+\]$/, '').replace(/([-@]\d{8}|-\d{4}-\d{2}-\d{2}|-latest)$/, '');
  return names.find((name) => name === model || name === plain) ?? null;
}
