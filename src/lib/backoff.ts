/** Milliseconds to wait before try number `attempt` (1 = the first retry): doubling from `firstMs`, capped at `maxDurationMs`. */
export function backoffMs(attempt: number, firstMs: number, maxDurationMs: number): number {
  if (attempt <= 0) return 0;
  return Math.min(maxDurationMs, firstMs * 2 ** Math.min(attempt - 1, 30));
}

/** From 0 to below `mostMs`, always the same for one name: what becomes free for many at one moment is not taken by all at once. */
export function spreadMs(name: string, mostMs: number): number {
  let hash = 0x811c9dc5;
  for (const char of name) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return Math.floor((hash / 2 ** 32) * mostMs);
}
