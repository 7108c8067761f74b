import type { Spend } from '../domain/fleet.ts';
import type { Iteration } from '../domain/iteration.ts';

export interface Spent extends Spend {
  /** Seconds an agent worked on it. */
  seconds: number;
  /** What of the dollars a subscription covers. */
  imputedUsd?: number | undefined;
}

export function toSpent(spend: Spend, iterations: readonly Iteration[], now: number): Spent {
  const ms = iterations.reduce((sum, it) => sum + Math.max(0, (it.endedAt ?? now) - it.startedAt), 0);
  return { tokens: spend.tokens, usd: spend.usd, calls: spend.calls, seconds: Math.round(ms / 1000) };
}
