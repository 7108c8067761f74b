import type { Check } from './check.ts';
import type { Transitions } from './phase-table.ts';
import type { Question } from './question.ts';
import type { TaskPriority } from './task-draft.ts';

/**
 * A task's life:
 *
 *   draft -> waiting -> ready -> claimed -> implementing -> verifying -> reviewing -> awaiting_approval -> integrating -> merged
 *                                              ^   ^            |            |               |                |
 *                                              |   +--- notes --+------------+---------------+----------------+
 *                                              v
 *   parked: paused · needs_input · rate_limited(until) · over_budget · stalled · blocked(reason); each goes back to `ready`
 *           (over_budget, where a review ran out of it, to `reviewing`)
 *   ends:   merged · closed · failed(reason) · cancelled
 *
 * Completion is looked at before limits. A parked task keeps its saved work (`head`) and its counters.
 */
export const taskPhases = [
  'draft',
  'waiting',
  'ready',
  'claimed',
  'implementing',
  'verifying',
  'reviewing',
  'awaiting_approval',
  'integrating',
  'merged',
  'pr_open',
  'closed',
  'paused',
  'needs_input',
  'rate_limited',
  'over_budget',
  'stalled',
  'blocked',
  'failed',
  'cancelled',
] as const;
export type TaskPhase = (typeof taskPhases)[number];

export const parkedPhases = ['paused', 'needs_input', 'rate_limited', 'over_budget', 'stalled', 'blocked'] as const;
export const endedPhases = ['merged', 'closed', 'failed', 'cancelled'] as const;
export const workingPhases = ['claimed', 'implementing', 'verifying', 'reviewing'] as const;

const parks = parkedPhases;
export const taskTransitions: Transitions<TaskPhase> = {
  draft: ['waiting', 'ready', 'cancelled'],
  waiting: ['ready', 'paused', 'blocked', 'cancelled', 'failed'],
  ready: ['waiting', 'claimed', 'paused', 'over_budget', 'cancelled', 'failed', 'blocked'],
  claimed: ['ready', 'implementing', 'paused', 'cancelled', 'failed', 'blocked'],
  implementing: ['ready', 'verifying', ...parks, 'cancelled', 'failed'],
  verifying: [
    'ready',
    'implementing',
    'reviewing',
    'awaiting_approval',
    'integrating',
    ...parks,
    'cancelled',
    'failed',
  ],
  reviewing: ['ready', 'implementing', 'verifying', 'awaiting_approval', ...parks, 'cancelled', 'failed'],
  awaiting_approval: ['ready', 'integrating', 'verifying', 'cancelled', 'paused'],
  integrating: ['merged', 'pr_open', 'verifying', 'ready', 'awaiting_approval', 'blocked', 'cancelled'],
  pr_open: ['merged', 'closed', 'ready'],
  merged: [],
  closed: [],
  paused: ['ready', 'verifying', 'reviewing', 'waiting', 'awaiting_approval', 'cancelled'],
  needs_input: ['ready', 'cancelled', 'paused'],
  rate_limited: ['ready', 'cancelled', 'paused'],
  over_budget: ['ready', 'reviewing', 'cancelled', 'paused'],
  stalled: ['ready', 'cancelled', 'paused'],
  blocked: ['ready', 'cancelled', 'paused'],
  failed: ['ready', 'cancelled'],
  cancelled: [],
};

export type NoteFrom = 'checks' | 'verifier' | 'reviewer' | 'human' | 'integration';

/** What the implementer is told when it starts again. */
export interface Note {
  from: NoteFrom;
  text: string;
  at: number;
}

export interface TaskLimits {
  /** Iterations that count, before the task is parked as stalled or failed. Never 0. */
  iterations: number;
  /** Iterations that do not count (infrastructure, rate limit). */
  uncounted: number;
  reviewRounds: number;
  /** Iterations without a change of tree and check results. */
  stagnationAfter: number;
  iterationTimeoutMs: number;
  /** Spend limits of the whole task (`budget.ts`); null = as much as the fleet has for one period. */
  maxTokens: number | null;
  maxUsd: number | null;
  maxCalls: number | null;
  /** Time its agents may work; null = no limit but that on iterations. */
  maxDurationMs: number | null;
}

export interface Task {
  /** `T<number>`, never reused. */
  id: string;
  project: string;
  title: string;
  description: string;
  checks: Check[];
  dependsOn: string[];
  contextFiles: string[];
  agent: string;
  model: string | null;
  /** What the scripted agent plays; null for other agent CLIs. */
  scenario: unknown;
  phase: TaskPhase;
  since: number;
  /** Why it is in this phase, in a person's words; null when the phase says it all. */
  reason: string | null;
  /** For `rate_limited`: when it goes on. */
  until: number | null;
  /** The commit the change is made from; null until claimed. */
  base: string | null;
  /** The newest commit of the change that is stored on the host; null until work was saved. */
  head: string | null;
  changeId: string | null;
  /** Key of the disk its VMs start from; null until claimed. */
  disk: string | null;
  ralph: string | null;
  iterations: number;
  uncounted: number;
  priority: TaskPriority;
  /** A person has looked at how it ended or where it stands; it no longer asks for attention. */
  seen: boolean;
  /** Protected files its change touches, and files left out of it; known once verified. */
  calledOut: number | null;
  /** While it is paused: where it goes on, when that is not with its implementer. */
  pausedIn: 'verifying' | 'reviewing' | null;
  /** While it is blocked: what it goes on with by itself once it is there; null when a person must say so. */
  needs: 'credential' | null;
  /** The last iteration whose result was acted upon. */
  judged: string | null;
  reviewRound: number;
  /** Digests of (tree, check results) after the last iterations, and how many in a row came to one that was there before. */
  recentDigests: string[];
  stagnant: number;
  notes: Note[];
  /** What its Ralphs asked, and what they were answered. */
  questions: Question[];
  /** A person put it back to an earlier iteration; null once its implementer has begun again. */
  rewind: Rewind | null;
  limits: TaskLimits;
  createdAt: number;
}

export interface Rewind {
  /** Number of the iteration it is put back to; 0 is its beginning. */
  to: number;
  /** What the change is put back to; the base for the beginning. */
  commit: string;
  /** What its next VM starts from; null where the disk was not kept: a fresh one then, with the change alone. */
  snapshot: string | null;
  /** The change is where it should be; what is left to do is the VM. */
  isDone: boolean;
}

export function isEnded(phase: TaskPhase): boolean {
  return (endedPhases as readonly TaskPhase[]).includes(phase);
}

export function isWorking(phase: TaskPhase): boolean {
  return (workingPhases as readonly TaskPhase[]).includes(phase);
}
