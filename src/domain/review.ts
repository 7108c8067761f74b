import type { Finding } from './iteration.ts';

/** requested -> running -> approved | changes_requested(findings) | inconclusive. Bound to one commit on one base. */
export type ReviewPhase = 'requested' | 'running' | 'approved' | 'changes_requested' | 'inconclusive';

export interface Review {
  id: string;
  task: string;
  commit: string;
  base: string;
  round: number;
  phase: ReviewPhase;
  findings: Finding[];
  summary: string | null;
  /** Tries that ended inconclusive, infrastructure included. */
  attempts: number;
  iteration: string | null;
  at: number;
}
