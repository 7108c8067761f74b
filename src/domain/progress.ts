import type { CheckResult } from '../domain/check.ts';
import { sha256 } from '../lib/digest.ts';

/**
 * Digest of what an iteration achieved: the tree of its saved work and which checks pass. Not the commit, which is a new one for
 * the same tree; not the logs and not the checks' output, which differ each time (times, temp names) though nothing moved.
 */
export function progressDigest(tree: string, results: readonly CheckResult[]): string {
  const checks = results
    .map((result) => [result.id, result.passed, result.timedOut ? 'time limit' : result.exitCode] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return sha256(JSON.stringify([tree, checks]));
}

/** How far back a state is known again: an agent that goes to and fro between two or three has not moved. */
const remembered = 8;

export interface Progress {
  /** Digests after the last iterations, the newest last. */
  recentDigests: string[];
  /** How many iterations in a row came to a digest that was there before. */
  stagnant: number;
}

export function progressAfter({ recentDigests, stagnant }: Progress, digest: string): Progress {
  const others = recentDigests.filter((known) => known !== digest);
  const isKnown = others.length < recentDigests.length;
  return { recentDigests: [...others, digest].slice(-remembered), stagnant: isKnown ? stagnant + 1 : 0 };
}
