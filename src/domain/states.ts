import type { TaskPhase } from './task.ts';

/**
 * The seven states a person must tell apart. Every face shows a task by one of them, with the glyph and colour of this table;
 * colour never carries meaning alone, and liveness (time since the last output) is a column of its own.
 */
export const shownStates = ['needs-you', 'working', 'checking', 'waiting', 'parked', 'unknown', 'ended'] as const;
export type ShownState = (typeof shownStates)[number];

export type Colour = 'yellow' | 'green' | 'cyan' | 'default' | 'blue' | 'magenta' | 'dim' | 'red';

export interface StateLook {
  word: string;
  glyph: string;
  ascii: string;
  colour: Colour;
  /** For people: when a thing is in this state. */
  meaning: string;
}

export const stateLooks: Readonly<Record<ShownState, StateLook>> = {
  'needs-you': { word: 'needs you', glyph: '!', ascii: '!', colour: 'yellow', meaning: 'a person must act' },
  working: { word: 'working', glyph: '●', ascii: '*', colour: 'green', meaning: 'an agent works, or it is integrated' },
  checking: { word: 'checking', glyph: '◐', ascii: '%', colour: 'cyan', meaning: 'checks or a review run' },
  waiting: { word: 'waiting', glyph: '○', ascii: 'o', colour: 'default', meaning: 'not started; the reason is shown' },
  parked: { word: 'parked', glyph: '‖', ascii: '=', colour: 'blue', meaning: 'goes on by itself, or when resumed' },
  unknown: { word: 'unknown', glyph: '?', ascii: '?', colour: 'magenta', meaning: 'driver or guest cannot be asked' },
  ended: { word: 'ended', glyph: '✓', ascii: '+', colour: 'dim', meaning: 'merged, handed over, failed or cancelled' },
};

const stateOfPhase: Readonly<Record<TaskPhase, ShownState>> = {
  draft: 'waiting',
  waiting: 'waiting',
  ready: 'waiting',
  claimed: 'waiting',
  implementing: 'working',
  verifying: 'checking',
  reviewing: 'checking',
  awaiting_approval: 'needs-you',
  integrating: 'working',
  merged: 'ended',
  pr_open: 'ended',
  closed: 'ended',
  paused: 'parked',
  needs_input: 'needs-you',
  rate_limited: 'parked',
  over_budget: 'needs-you',
  stalled: 'needs-you',
  blocked: 'needs-you',
  failed: 'needs-you',
  cancelled: 'ended',
};

/** `seen`: a failed task a person has looked at no longer needs them. */
export function shownState(phase: TaskPhase, seen = false): ShownState {
  return phase === 'failed' && seen ? 'ended' : stateOfPhase[phase];
}

/** Ended is one state with three glyphs: done, failed, called off. */
export function endedGlyph(phase: TaskPhase): { glyph: string; ascii: string } {
  if (phase === 'failed') return { glyph: '✗', ascii: 'x' };
  if (phase === 'cancelled' || phase === 'closed') return { glyph: '–', ascii: '-' };
  return { glyph: '✓', ascii: '+' };
}

/** The phases behind a state, for help texts and filters. */
export function phasesOf(state: ShownState): TaskPhase[] {
  return (Object.keys(stateOfPhase) as TaskPhase[]).filter((phase) => stateOfPhase[phase] === state);
}
