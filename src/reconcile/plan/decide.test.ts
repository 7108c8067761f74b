import { describe, expect, it } from 'vitest';
import { anIteration, aReview, aRun, aTask, base, head, now } from '../../../test/support/rows.ts';
import type { Ask, Iteration, IterationOutcome } from '../../domain/iteration.ts';
import { progressDigest } from '../../domain/progress.ts';
import { withAsk } from '../../domain/question.ts';
import type { Task } from '../../domain/task.ts';
import { decideAfterIteration, decideAfterReview, type LookedBack } from './decide.ts';

const nothing: LookedBack = { now, checkRuns: [], iterations: [] };
const passed = aRun();
const failed = aRun({
  phase: 'failed',
  results: [{ id: 'c', passed: false, exitCode: 1, timedOut: false, ms: 1, tail: 'boom' }],
});
const task = aTask({ phase: 'implementing', base, head, iterations: 1 });

function decided(
  outcome: IterationOutcome,
  {
    of = task,
    checks = passed as typeof passed | null,
    refused = null as string | null,
    ask = null as Ask | null,
  } = {},
) {
  const ended = anIteration({ phase: 'ended', outcome, reason: 'because', ask, savedTree: 'tree' });
  return decideAfterIteration(of, ended, { checks, refused }, nothing);
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

  it('stalls at the limit, and when a state comes back that was there before', () => {
    expect(decided('stuck', { of: { ...task, iterations: 5 }, checks: failed }).to).toBe('stalled');
    const recentDigests = [progressDigest('tree', failed.results), 'another'];
    const still = { ...task, recentDigests, stagnant: 2 };
    expect(decided('partial', { of: still, checks: failed })).toMatchObject({
      to: 'stalled',
      reason: 'nothing new in the last 3 iterations: files and check results as they were before',
      patch: { stagnant: 3 },
    });
    expect(decided('partial', { of: still, checks: null })).toMatchObject({
      to: 'implementing',
      patch: { stagnant: 0 },
    });
  });

  it('names what passed before and fails now', () => {
    const earlier = aRun({ id: 'ck-0', iteration: 'it-3', startedAt: failed.startedAt - 1 });
    const back = { ...nothing, checkRuns: [earlier, failed], iterations: [anIteration({ id: 'it-3', n: 3 })] };
    const decision = decideAfterIteration(
      task,
      anIteration({ outcome: 'partial' }),
      { checks: failed, refused: null },
      back,
    );
    expect(decision.notes[0]?.text).toContain('It passed after iteration 3, and fails now.');
  });
});

describe('what ends again and again alike', () => {
  const ended = (outcome: IterationOutcome, n: number, more: Partial<Iteration> = {}) =>
    anIteration({ id: `it-${n}`, n, phase: 'ended', outcome, reason: `why ${n}`, savedTree: 'tree', ...more });
  function endsAfter(iterations: Iteration[], more: Partial<Task> = {}) {
    const counted = iterations.filter(({ outcome }) => outcome !== 'infra').length;
    const last = iterations.at(-1) ?? anIteration();
    return decideAfterIteration(
      { ...task, iterations: counted, ...more },
      last,
      { checks: failed, refused: null },
      { ...nothing, iterations },
    );
  }
  const stuck = (n: number, more: Partial<Iteration> = {}) => ended('stuck', n, { savedTree: `tree ${n}`, ...more });
  const crashed = (n: number, more: Partial<Iteration> = {}) => ended('crashed', n, more);

  it('three times stuck has failed, with what it said last', () => {
    expect(endsAfter([stuck(1), stuck(2), stuck(3, { summary: 'no\ndatabase' })])).toMatchObject({
      to: 'failed',
      reason: '3 iterations in a row were stuck, the last: no database',
      notes: [{ from: 'checks' }],
    });
    expect(endsAfter([stuck(1), ended('infra', 2), stuck(3), stuck(4)]).to).toBe('failed');
    expect(
      endsAfter([stuck(1), stuck(2), stuck(3)], { iterations: 5, limits: { ...task.limits, iterations: 3 } }).to,
    ).toBe('failed');
  });

  it.each([
    ['twice', [stuck(1), stuck(2)], {}],
    ['with another end between', [stuck(1), ended('partial', 2), stuck(3), stuck(4)], {}],
    ['before a person let it start anew', [stuck(1), stuck(2), stuck(3)], { iterations: 2 }],
  ])('%s is not', (_, iterations, more) => {
    expect(endsAfter(iterations, more).to).toBe('implementing');
  });

  it('three crashes that changed nothing are for a person to mend, with why', () => {
    expect(endsAfter([crashed(1), crashed(2), crashed(3)])).toMatchObject({
      to: 'blocked',
      reason: '3 iterations in a row crashed and changed nothing, the last: why 3',
    });
    expect(endsAfter([crashed(1, { savedTree: 'other' }), crashed(2), crashed(3)]).to).toBe('implementing');
    expect(endsAfter([crashed(1), crashed(2)]).to).toBe('implementing');
  });

  it('what passes is done all the same', () => {
    const iterations = [stuck(1), stuck(2), stuck(3)];
    const last = iterations[2] ?? anIteration();
    const decision = decideAfterIteration(task, last, { checks: passed, refused: null }, { ...nothing, iterations });
    expect(decision.to).toBe('verifying');
  });
});

describe('a question', () => {
  const ask: Ask = { question: 'Which?', blocking: true, options: [], preferred: null };
  const asks = (times: number) => ({
    ...task,
    questions: withAsk([], ask, { iteration: 1, at: now }).map((question) => ({ ...question, times })),
  });

  it.each(['stuck', 'partial', 'crashed', 'timed_out', 'rate_limited', 'over_budget'] as const)(
    'is waited for after an iteration that ended %s, whatever passes',
    (outcome) => {
      for (const checks of [passed, failed, null])
        expect(decided(outcome, { of: asks(1), checks, ask })).toMatchObject({
          to: 'needs_input',
          reason: 'Which?',
          patch: { judged: 'it-1' },
        });
    },
  );

  it('does not stand in the way of what is done', () => {
    expect(decided('done', { of: asks(1), ask }).to).toBe('verifying');
    expect(decided('done', { of: asks(1), checks: failed, ask })).toMatchObject({ to: 'needs_input', notes: [{}] });
  });

  it('asked for the third time is left to a person, with what to do', () => {
    expect(decided('stuck', { of: asks(2), ask }).to).toBe('needs_input');
    expect(decided('stuck', { of: asks(3), ask })).toMatchObject({
      to: 'stalled',
      reason: 'it has asked the same 3 times, though it was answered: Which?',
    });
  });

  it('that does not block lets it go on', () => {
    expect(decided('partial', { checks: failed, ask: { ...ask, blocking: false } }).to).toBe('implementing');
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
