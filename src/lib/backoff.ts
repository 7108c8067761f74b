/** Milliseconds to wait before try number `attempt` (1 = the first retry): doubling from `firstMs`, capped at `maxDurationMs`. */
export function backoffMs(attempt: number, firstMs: number, maxDurationMs: number): number {
  if (attempt <= 0) return 0;
  return Math.min(maxDurationMs, firstMs * 2 ** Math.min(attempt - 1, 30));
}
