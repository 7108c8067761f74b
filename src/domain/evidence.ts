import { sha256 } from '../lib/digest.ts';
import type { CheckRun } from './check.ts';
import type { Review } from './review.ts';

/**
 * What an approval is bound to: the controller's own check results on the exact commit and the reviewer's verdict. The digest
 * covers facts only (no times, no paths of VMs), so that the same evidence gives the same digest.
 */
export interface EvidenceRows {
  commit: string;
  base: string;
  checkRuns: readonly CheckRun[];
  reviews: readonly Review[];
}

export function evidenceDigest(rows: EvidenceRows): string {
  const runs = verifyRuns(rows)
    .map((run) => ({
      variant: run.variant,
      tested: run.tested,
      phase: run.phase,
      results: run.results.map((r) => [r.id, r.passed, r.exitCode, r.timedOut]),
    }))
    .sort((a, b) => a.variant.localeCompare(b.variant));
  const review = reviewOf(rows);
  const verdict = review === null ? null : { phase: review.phase, round: review.round, findings: review.findings };
  return sha256(JSON.stringify({ version: 1, commit: rows.commit, base: rows.base, runs, verdict }));
}

/** The newest verification of each variant on this commit and base. */
export function verifyRuns(rows: EvidenceRows): CheckRun[] {
  const newest = new Map<string, CheckRun>();
  for (const run of rows.checkRuns) {
    if (run.kind !== 'verify' || run.commit !== rows.commit || run.base !== rows.base || run.phase === 'infra')
      continue;
    const known = newest.get(run.variant);
    if (known === undefined || run.startedAt >= known.startedAt) newest.set(run.variant, run);
  }
  return [...newest.values()];
}

/** The newest review of this commit. */
export function reviewOf(rows: EvidenceRows): Review | null {
  return rows.reviews
    .filter((review) => review.commit === rows.commit)
    .reduce<Review | null>((newest, r) => (newest === null || r.at >= newest.at ? r : newest), null);
}
