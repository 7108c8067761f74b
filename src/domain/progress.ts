import type { CheckResult } from '../domain/check.ts';
import { sha256 } from '../lib/digest.ts';

/**
 * Digest of what an iteration achieved: the tree of its saved work and which checks pass. Not the logs and not the checks'
 * output, which differ each time (times, temp names) though nothing moved.
 */
export function progressDigest(tree: string, results: readonly CheckResult[]): string {
  const checks = results
    .map((result) => [result.id, result.passed, result.timedOut ? 'time limit' : result.exitCode] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return sha256(JSON.stringify([tree, checks]));
}

/** How many iterations in a row have not moved the digest; 0 when this one did. */
export function stagnantAfter(before: { progressDigest: string | null; stagnant: number }, digest: string): number {
  return before.progressDigest === digest ? before.stagnant + 1 : 0;
}
