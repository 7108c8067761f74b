import type { Provider } from '../../domain/credential.ts';
import type { Counted } from '../ledger/ledger.ts';
import { nothing } from '../ledger/ledger.ts';
import type { Seen } from './meter.ts';
import type { Prices } from './prices.ts';

/** What was reserved for a call that went up. */
export interface Reserved {
  provider: Provider;
  /** As it was asked for. */
  model: string;
  priceKnown: boolean;
  inputTokens: number;
  outputTokens: number;
  usd: number;
}

/** How a call ended, as far as it is known. */
export interface CallEnd {
  /** Something of it reached the provider, or may have. */
  isSent: boolean;
  /** Of the provider's answer; 0 when there was none. */
  status: number;
  seen: Seen | null;
}

/** A token of output that came is rarely more than this many bytes; on average it is about four. */
const mostBytesPerToken = 32;
const bytesPerToken = 4;
const fewBytes = 2048;

/**
 * What a call comes to. Pure. The provider's own figures, where it gave them all; else the most it can have been: of what was
 * delivered, where the input is known and nothing can be hidden, and otherwise the worst case.
 */
export function countCall(reserved: Reserved, { isSent, status, seen }: CallEnd, prices: Prices): Counted {
  if (!isSent || status >= 300) return nothing(reserved.model);
  const { provider, inputTokens, outputTokens, ...rest } = reserved;
  const worst: Counted = { ...rest, ...noCache, inputTokens, outputTokens, counted: 'worst', flags: [] };
  if (seen === null || !seen.saysInput) return worst;
  const said = seen.usage;
  const prompt = said.inputTokens + said.cacheWriteTokens + said.cacheReadTokens;
  if (prompt === 0) return worst;
  const model = seen.model ?? reserved.model;
  const counted = seen.saysOutput ? 'said' : seen.hidesOutput ? 'worst' : 'delivered';
  const flags: Counted['flags'] = [];
  let output = said.outputTokens;
  if (counted === 'worst') output = Math.max(output, outputTokens);
  else if (counted === 'delivered') output = Math.max(output, Math.min(outputTokens, seen.outputBytes));
  else if (seen.outputBytes > fewBytes && said.outputTokens * mostBytesPerToken < seen.outputBytes) {
    output = Math.max(output, Math.min(outputTokens, Math.ceil(seen.outputBytes / bytesPerToken)));
    flags.push('says-less');
  }
  const { usd, priceKnown } = prices.of(provider, model, { ...said, outputTokens: output });
  if (prompt > inputTokens || output > outputTokens || usd > reserved.usd * (1 + 1e-9)) flags.push('says-more');
  return {
    model,
    inputTokens: said.inputTokens,
    cacheWriteTokens: said.cacheWriteTokens,
    cacheReadTokens: said.cacheReadTokens,
    outputTokens: output,
    usd,
    priceKnown,
    counted,
    flags,
  };
}

const noCache = { cacheWriteTokens: 0, cacheReadTokens: 0 };
