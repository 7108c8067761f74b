/**
 * An iteration = one run of the agent CLI: started -> running -> ended(outcome).
 *
 * `done partial stuck`: what the agent signalled with the iteration's nonce (none means stuck). `crashed timed_out killed`:
 * what became of its process. `rate_limited over_budget infra`: what only the host can know; these do not count as attempts.
 * Work is saved on every outcome, before anything else happens.
 */
export const iterationOutcomes = [
  'done',
  'partial',
  'stuck',
  'crashed',
  'timed_out',
  'killed',
  'rate_limited',
  'over_budget',
  'infra',
] as const;
export type IterationOutcome = (typeof iterationOutcomes)[number];
export type IterationPhase = 'started' | 'running' | 'ended';

export function countsAsAttempt(outcome: IterationOutcome): boolean {
  return outcome !== 'rate_limited' && outcome !== 'over_budget' && outcome !== 'infra';
}

export type RalphRole = 'implementer' | 'reviewer';

export interface Iteration {
  /** `it-<8 hex>`; also the id of the guest job and of the folder under `runs/`. */
  id: string;
  task: string;
  ralph: string;
  vm: string;
  role: RalphRole;
  /** 1 for the first of a task's implementer iterations (or of a review's). */
  n: number;
  /** 32 hexadecimal digits; a signal without it is refused. */
  nonce: string;
  phase: IterationPhase;
  /** How it ended, and why; before that only of one that is being stopped for its silence. */
  outcome: IterationOutcome | null;
  reason: string | null;
  summary: string | null;
  /** A question it asked. */
  ask: Ask | null;
  /** What the gateway saw of its prompt and tools on their way to the model; null where it was not looked for. */
  arrived: Arrived | null;
  /** Where a usage limit ended it, or the provider failed: when the next one may start, ms since the epoch. */
  retryAt: number | null;
  /** For a reviewer's: the review it works on. */
  review: string | null;
  /** The commit it started from, and the one its work was saved as. */
  fromCommit: string;
  savedCommit: string | null;
  /** The tree of that commit: two commits of one tree are the same work. */
  savedTree: string | null;
  startedAt: number;
  endedAt: number | null;
  deadline: number;
  /** Bytes of its stream that are on the host's disk. */
  streamBytes: number;
  lastOutputAt: number | null;
  /** When its work was last brought to the host. */
  savedAt: number | null;
}

/** When a call to the model API first held it. */
export interface Arrived {
  prompt: number | null;
  tools: number | null;
}

export interface Ask {
  question: string;
  blocking: boolean;
  options: string[];
  /** What the agent itself would take. */
  preferred: string | null;
}

/** A lesson for whoever works here next. */
export interface Learned {
  text: string;
  kind: 'command' | 'convention' | 'pitfall' | 'fact';
  scope: 'project' | 'task';
}

/** Something a person should know of, beside the task. */
export interface Flag {
  what: string;
  severity: 'low' | 'medium' | 'high';
  category: 'security' | 'bug' | 'data' | 'tests' | 'environment' | 'other';
}

/** What an agent said in an iteration; `signal.ts` has the checked form. */
export interface Signals {
  closing: { verb: 'done' | 'partial' | 'stuck'; text: string } | null;
  ask: Ask | null;
  verdict: { decision: 'approve' | 'request_changes'; findings: Finding[]; summary: string } | null;
  learned: Learned[];
  flags: Flag[];
  /** Signals that were refused (foreign or stale token, wrong form), counted. */
  refused: number;
}

export interface Finding {
  file: string | null;
  line: number | null;
  severity: 'minor' | 'major' | 'blocking';
  what: string;
  why: string;
}
