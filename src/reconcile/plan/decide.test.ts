import { describe, expect, it } from 'vitest';
import { anIteration, aReview, aRun, aTask, base, head, now } from '../../../test/support/rows.ts';
import type { IterationOutcome } from '../../domain/iteration.ts';
import { progressDigest } from '../../domain/progress.ts';
import { decideAfterIteration, decideAfterReview } from './decide.ts';

const passed = aRun();
const failed = aRun({
  phase: 'failed',
  results: [{ id: 'c', passed: false, exitCode: 1, timedOut: false, ms: 1, tail: 'boom' }],
});
const task = aTask({ phase: 'implementing', base, head, iterations: 1 });

function decided(
  outcome: IterationOutcome,
  { of = task, checks = passed as typeof passed | null, refused = null as string | null } = {},
) {
  const ended = anIteration({ phase: 'ended', outcome, reason: 'because' });
  return decideAfterIteration(of, ended, { checks, refused }, now);
}

describe('after an iteration', () => {
  it('looks at completion before limits', () => {
    const spent = { ...task, iterations: 5, stagnant: 9 };
    for (const outcome of ['done', 'stuck', 'crashed', 'timed_out', 'killed'] as const)
      expect(decided(outcome, { of: spent }).to).toBe('verifying');
  });

  it('believes checks, not words', () => {
    expect(decided('done', { checks: failed }).to).toBe('implementing');
    expect(decided('done', { checks: failed }).notes[0]?.text).toContain('boom');
    expect(decided('partial').to).toBe('implementing');
  });

  it('does not take a commit for complete that was sent back before', () => {
    const refused = 'the reviewer asked for changes';
    expect(decided('done', { refused }).to).toBe('implementing');
    expect(decided('done', { of: { ...task, iterations: 5 }, refused })).toMatchObject({
      to: 'stalled',
      reason: '5 iterations, the limit, and the reviewer asked for changes',
    });
  });

  it('parks on limits and budgets', () => {
    expect(decided('rate_limited', { checks: null })).toMatchObject({ to: 'rate_limited', until: now + 300_000 });
    expect(decided('over_budget', { checks: null }).to).toBe('over_budget');
  });

  it('gives infrastructure many tries, not endless ones', () => {
    expect(decided('infra', { checks: null }).to).toBe('implementing');
    expect(decided('infra', { of: { ...task, uncounted: 10 }, checks: null }).to).toBe('blocked');
  });

  it('stalls at the limit and when nothing moves', () => {
    expect(decided('stuck', { of: { ...task, iterations: 5 }, checks: failed }).to).toBe('stalled');
    const still = { ...task, progressDigest: progressDigest(head, failed.results), stagnant: 2 };
    expect(decided('stuck', { of: still, checks: failed })).toMatchObject({ to: 'stalled', patch: { stagnant: 3 } });
    expect(decided('stuck', { of: still, checks: null }).to).toBe('implementing');
  });

  it('asks the person when the agent asks', () => {
    const ended = anIteration({
      phase: 'ended',
      outcome: 'stuck',
      ask: { question: 'Which?', blocking: true, options: [], preferred: null },
    });
    expect(decideAfterIteration(task, ended, { checks: failed, refused: null }, now)).toMatchObject({
      to: 'needs_input',
      reason: 'Which?',
    });
  });
});

describe('after a review', () => {
  it('tells the implementer what the reviewer found', () => {
    const finding = { file: 'a.ts', line: 3, severity: 'major' as const, what: 'It leaks.', why: 'No close.' };
    const decision = decideAfterReview(task, aReview({ phase: 'changes_requested', findings: [finding] }), now);
    expect(decision).toMatchObject({ to: 'ready', notes: [{ from: 'reviewer' }] });
    expect(decision.notes[0]?.text).toContain('a.ts:3 It leaks.');
  });

  it('leaves a lasting disagreement to the person', () => {
    const decision = decideAfterReview(task, aReview({ phase: 'changes_requested', round: 3 }), now);
    expect(decision).toMatchObject({
      to: 'awaiting_approval',
      reason: 'the reviewer still asks for changes after 3 rounds',
      notes: [{ from: 'reviewer' }],
    });
    expect(decideAfterReview(task, aReview({ phase: 'inconclusive', attempts: 2, summary: 'x' }), now)).toMatchObject({
      to: 'awaiting_approval',
      reason: 'not reviewed: the review was inconclusive 2 times: x',
    });
  });
});
