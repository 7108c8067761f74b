import { agentCallEvent, ours } from './attributes.ts';
import type { Attributes, SpanEvent } from './span.ts';

/** Model calls of one iteration, added up: as its agent tells them, or as they were metered. Input tokens with those of caches. */
export interface Usage {
  calls: number;
  inputTokens: number;
  outputTokens: number;
  usd: number;
}

export function noUsage(): Usage {
  return { calls: 0, inputTokens: 0, outputTokens: 0, usd: 0 };
}

export function addUsage(to: Usage, more: Usage): void {
  to.calls += more.calls;
  to.inputTokens += more.inputTokens;
  to.outputTokens += more.outputTokens;
  to.usd += more.usd;
}

/** What an event of an agent says of a call; null for any other event. */
export function saidIn({ name, attributes }: SpanEvent): Usage | null {
  if (name !== agentCallEvent) return null;
  const number = (key: string) => (typeof attributes[key] === 'number' ? attributes[key] : 0);
  return {
    calls: 1,
    inputTokens: number('input_tokens') + number('cache_read_tokens') + number('cache_creation_tokens'),
    outputTokens: number('output_tokens'),
    usd: number('cost_usd'),
  };
}

/** Prices are rounded differently, and a call that broke off is told by one side only: this much apart is the same. */
const tolerance = 0.01;

export function differs(said: Usage, metered: Usage): boolean {
  return (['inputTokens', 'outputTokens', 'usd'] as const).some((key) => {
    const apart = Math.abs(said[key] - metered[key]);
    return apart > tolerance * Math.max(said[key], metered[key]);
  });
}

export function saidAttributes(said: Usage, metered: Usage): Attributes {
  return {
    [ours.saidCalls]: said.calls,
    [ours.saidInputTokens]: said.inputTokens,
    [ours.saidOutputTokens]: said.outputTokens,
    [ours.saidCostUsd]: said.usd,
    [ours.saysOtherwise]: differs(said, metered),
  };
}
