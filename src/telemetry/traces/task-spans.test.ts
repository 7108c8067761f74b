import { describe, expect, it } from 'vitest';
import { anApproval, anIteration, aReview, aRun, aTask, now } from '../../../test/support/rows.ts';
import type { TaskPhase } from '../../domain/task.ts';
import { hmacSha256 } from '../../lib/digest.ts';
import { genAi, ours } from './attributes.ts';
import { iterationRef, taskRef } from './ids.ts';
import { msOf, type Span } from './span.ts';
import { type TaskRows, taskSpans } from './task-spans.ts';

const keyed = (text: string) => hmacSha256(Buffer.from('k'), text);
const deps = { keyed, fleet: 'main', providerOf: () => 'anthropic' };
const start = now - 1_000_000;
const at = (seconds: number) => start + seconds * 1000;

/** A task's whole way, second by second. */
const moves: [TaskPhase, number][] = [
  ['ready', 0],
  ['claimed', 10],
  ['implementing', 20],
  ['verifying', 100],
  ['reviewing', 130],
  ['awaiting_approval', 160],
  ['integrating', 400],
  ['merged', 401],
];
const whole: TaskRows = {
  task: aTask({ phase: 'merged', createdAt: at(0), since: at(401) }),
  iterations: [
    anIteration({ id: 'it-1', phase: 'ended', outcome: 'crashed', startedAt: at(21), endedAt: at(50) }),
    anIteration({ id: 'it-2', n: 2, phase: 'ended', outcome: 'done', startedAt: at(55), endedAt: at(90) }),
    anIteration({
      id: 'it-3',
      role: 'reviewer',
      phase: 'ended',
      outcome: 'done',
      startedAt: at(131),
      endedAt: at(155),
    }),
  ],
  checkRuns: [
    aRun({ id: 'ck-1', kind: 'baseline', iteration: null, startedAt: at(12), endedAt: at(18) }),
    aRun({ id: 'ck-2', kind: 'loop', iteration: 'it-2', startedAt: at(91), endedAt: at(99) }),
    aRun({ id: 'ck-3', kind: 'verify', iteration: null, startedAt: at(105), endedAt: at(120) }),
  ],
  reviews: [aReview({ phase: 'approved', at: at(130) })],
  approvals: [anApproval({ at: at(399) })],
  events: moves.map(([phase, seconds], n) => ({
    seq: n + 1,
    at: at(seconds),
    kind: n === 0 ? 'task.submitted' : `task.${phase}`,
    subject: 'T1',
    text: 'x',
  })),
  spendOf: (id) => (id === 'it-2' ? { tokens: 1200, usd: 0.5, calls: 3, imputedUsd: 0 } : null),
};

function tree(spans: readonly Span[]): string[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const path = (id: string | null): string => {
    const span = byId.get(id ?? '');
    return span === undefined ? (id === null ? '' : '?') : `${path(span.parentSpanId)}/${span.name}`;
  };
  return spans.map(({ spanId }) => path(spanId)).sort();
}

describe('the spans of a task', () => {
  it('are one tree, from its first wait to its integration', () => {
    expect(tree(taskSpans(deps, whole))).toEqual([
      '/task',
      '/task/approval',
      '/task/checks',
      '/task/checks/check',
      '/task/integrate',
      '/task/invoke_agent implementer',
      '/task/invoke_agent implementer',
      '/task/invoke_agent implementer/checks',
      '/task/invoke_agent implementer/checks/check',
      '/task/review',
      '/task/review/invoke_agent reviewer',
      '/task/verify',
      '/task/verify/checks',
      '/task/verify/checks/check',
      '/task/wait',
      '/task/wait',
    ]);
  });

  it('say of an iteration who, how it ended, and what it cost', () => {
    const { spanId } = iterationRef(keyed, whole.task, 'it-2');
    const span = taskSpans(deps, whole).find((it) => it.spanId === spanId);
    expect(span).toMatchObject({ traceId: taskRef(keyed, whole.task).traceId, isError: false, from: 'ralph-fleet' });
    expect([msOf(span?.start ?? [0, 0]), msOf(span?.end ?? [0, 0])]).toEqual([at(55), at(90)]);
    expect(span?.attributes).toMatchObject({
      ...{ [genAi.operation]: 'invoke_agent', [genAi.provider]: 'anthropic', [genAi.agentName]: 'implementer' },
      ...{ [ours.task]: 'T1', [ours.iteration]: 'it-2', [ours.iterationNumber]: 2, [ours.outcome]: 'done' },
      ...{ [ours.tokens]: 1200, [ours.costUsd]: 0.5, [ours.modelCalls]: 3, [ours.isImputed]: false },
    });
    const crashed = taskSpans(deps, whole).find((it) => it.attributes[ours.outcome] === 'crashed');
    expect(crashed).toMatchObject({ isError: true, attributes: { 'error.type': 'crashed' } });
  });

  it('say how long it waited for a person, and what they said', () => {
    const approval = taskSpans(deps, whole).find(({ name }) => name === 'approval');
    expect(approval?.attributes).toMatchObject({ [ours.decision]: 'approve', [ours.result]: 'integrating' });
    expect(msOf(approval?.end ?? [0, 0]) - msOf(approval?.start ?? [0, 0])).toBe(240_000);
    const review = taskSpans(deps, whole).find(({ name }) => name === 'review');
    expect(review?.attributes).toMatchObject({ [ours.verdict]: 'approved', [ours.reviewRound]: 1 });
  });

  it('are the same each time, and a child names its parent before that has ended', () => {
    const all = new Map(taskSpans(deps, whole).map((span) => [span.spanId, span]));
    const early: TaskRows = {
      ...whole,
      task: aTask({ phase: 'reviewing', createdAt: at(0), since: at(130) }),
      iterations: whole.iterations.map((it) => (it.id === 'it-2' ? { ...it, phase: 'running', endedAt: null } : it)),
      events: whole.events.slice(0, 5),
      approvals: [],
    };
    const some = taskSpans(deps, early);
    expect(some.length).toBeLessThan(all.size);
    expect(some.map(({ name }) => name)).not.toContain('task');
    for (const span of some) {
      expect(all.get(span.spanId)).toEqual(span);
      if (span.parentSpanId !== null) expect(all.has(span.parentSpanId)).toBe(true);
    }
    // The reviewer ended, its review has not; a loop check ended, its iteration's row says it has not.
    expect(
      some.filter(({ parentSpanId }) => !some.some(({ spanId }) => spanId === parentSpanId)).length,
    ).toBeGreaterThan(2);
  });

  it('hold no text of the task, of its agents, or of who spoke', () => {
    const secret = 'planted';
    const texts = { title: secret, description: secret, reason: secret };
    const spans = taskSpans(deps, {
      ...whole,
      task: { ...whole.task, ...texts },
      iterations: whole.iterations.map((it) => ({ ...it, reason: secret, summary: secret, nonce: secret })),
      checkRuns: whole.checkRuns.map((run) => ({
        ...run,
        failure: secret,
        results: run.results.map((it) => ({ ...it, tail: secret, stderrTail: secret })),
      })),
      reviews: whole.reviews.map((it) => ({ ...it, summary: secret })),
      approvals: whole.approvals.map((it) => ({ ...it, by: secret, notes: secret })),
      events: whole.events.map((it) => ({ ...it, text: secret })),
    });
    expect(spans).toHaveLength(16);
    expect(JSON.stringify(spans)).not.toContain(secret);
  });

  it('of a check stand one after the other within their run; results taken from another run have none', () => {
    const results = [2000, 3000].map((ms, n) => ({
      id: `c${n}`,
      passed: n === 0,
      exitCode: n,
      timedOut: false,
      ms,
      tail: '',
    }));
    const run = aRun({ kind: 'baseline', results, startedAt: at(10), endedAt: at(16) });
    const of = (checkRuns: TaskRows['checkRuns']) =>
      taskSpans(deps, { ...whole, checkRuns }).filter(({ name }) => name === 'check');
    expect(of([run]).map((it) => [msOf(it.start) - start, msOf(it.end) - start, it.attributes[ours.result]])).toEqual([
      [11_000, 13_000, 'passed'],
      [13_000, 16_000, 'failed'],
    ]);
    expect(of([{ ...run, endedAt: at(10) }])).toEqual([]);
  });
});
