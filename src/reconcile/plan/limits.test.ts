import { describe, expect, it } from 'vitest';
import { anIteration, aRalph, aReview, aRun, aTask, aVm, aWorld, base, head, now } from '../../../test/support/rows.ts';
import { type KnownLimit, resumeSpreadMs } from '../../domain/usage-limit.ts';
import { plan } from './plan.ts';
import type { World } from './world.ts';

const working = { base, head, disk: 'image', ralph: 'implementer-1', phase: 'implementing' as const };
const busy = aRalph({ task: 'T1', vm: '0000000a' });
const reviewer = aRalph({ name: 'reviewer-1', role: 'reviewer' });
const hourMs = 3_600_000;
const limit: KnownLimit = {
  id: 'anthropic:ab:5h',
  provider: 'anthropic',
  window: '5h',
  cause: 'reached',
  usedRatio: 1,
  since: now - 60_000,
  until: now + hourMs,
  lifted: false,
};
const keptFree: KnownLimit = { ...limit, cause: 'kept-free', usedRatio: 0.92 };
const reset = now + hourMs + resumeSpreadMs;

const steps = (world: World) => plan(world).steps.filter((step) => step.key === 'task:T1');
const waits = (world: World) => plan(world).waits.flatMap(({ subject, reason }) => (subject === 'T1' ? [reason] : []));
const moves = (to: string) => [expect.objectContaining({ kind: 'move_task', data: expect.objectContaining({ to }) })];

describe('while a usage limit holds', () => {
  it('a task that is worked on is parked until a few seconds after the reset, in words', () => {
    const world = aWorld({ tasks: [aTask(working)], ralphs: [busy], vms: [aVm()], limits: [limit] });
    const [step] = steps(world);
    expect(step).toMatchObject({
      kind: 'move_task',
      data: {
        to: 'rate_limited',
        reason: expect.stringMatching(/^the 5-hour limit of anthropic is reached, since 2027-\S+, until 2027-/),
      },
    });
    const { until = 0 } = { ...step?.data } as { until?: number };
    expect(until).toBeGreaterThanOrEqual(limit.until);
    expect(until).toBeLessThan(reset);
    expect(steps({ ...world, limits: [{ ...limit, provider: 'openai' }] })[0]?.kind).not.toBe('move_task');
  });

  it('what is kept free is said to be', () => {
    const world = aWorld({ tasks: [aTask(working)], ralphs: [busy], vms: [aVm()], limits: [keptFree] });
    expect(steps(world)[0]?.reason).toMatch(
      /^92 % of the 5-hour usage window of anthropic is used, .* kept free for you/,
    );
  });

  it('a task that is not begun waits where it is', () => {
    const world = aWorld({ tasks: [aTask()], ralphs: [aRalph()], limits: [limit] });
    expect(steps(world)).toEqual([]);
    expect(waits(world)).toEqual([expect.stringContaining('goes on by itself')]);
    expect(steps({ ...world, now: reset })).toMatchObject([{ kind: 'claim_task' }]);
  });

  it('so does a review', () => {
    const task = aTask({ ...working, phase: 'reviewing', ralph: null });
    const world = aWorld({
      tasks: [task],
      reviews: [aReview()],
      ralphs: [reviewer],
      limits: [limit],
    });
    expect(steps(world)).toEqual([]);
    expect(waits(world)).toEqual([expect.stringContaining('the 5-hour limit of anthropic')]);
    expect(steps({ ...world, now: reset })).toMatchObject([{ kind: 'request_vm' }]);
  });

  it('what ended for it is parked, unless it is complete', () => {
    const last = anIteration({ phase: 'ended', outcome: 'rate_limited', reason: 'a limit', retryAt: reset });
    const world = aWorld({
      ...{ tasks: [aTask(working)], ralphs: [busy], vms: [aVm({ seeded: { work: head } })] },
      ...{ iterations: [last], limits: [limit] },
    });
    expect(steps(world)).toMatchObject([{ kind: 'start_checks' }]);
    expect(steps({ ...world, checkRuns: [aRun({ phase: 'failed' })] })).toEqual(moves('rate_limited'));
    expect(steps({ ...world, checkRuns: [aRun()] })).toEqual(moves('verifying'));
  });
});

describe('a limited task', () => {
  const task = aTask({ ...working, phase: 'rate_limited', ralph: null, until: reset });

  it('goes on by itself after the reset, not all in the same second', () => {
    const tasks = Array.from({ length: 20 }, (_, at) => ({ ...task, id: `T${at + 1}` }));
    const at = (time: number) =>
      plan(aWorld({ tasks, limits: [limit], now: time })).steps.filter((step) => step.kind === 'move_task').length;
    expect(at(limit.until - 1)).toBe(0);
    const early = at(limit.until + resumeSpreadMs / 2);
    expect(early).toBeGreaterThan(0);
    expect(early).toBeLessThan(20);
    expect(at(reset)).toBe(20);
  });

  it('goes on at once when the limit no longer holds for it: another credential, or a person who wants it tried', () => {
    expect(steps(aWorld({ tasks: [task] }))).toEqual(moves('ready'));
    expect(steps(aWorld({ tasks: [task], limits: [{ ...limit, lifted: true }] }))).toEqual(moves('ready'));
  });
});

describe('after the provider failed', () => {
  const task = aTask({ ...working, judged: 'it-1', uncounted: 2 });
  const last = anIteration({ phase: 'ended', outcome: 'infra', reason: 'overloaded (529)', retryAt: now + 40_000 });
  const world = aWorld({ tasks: [task], ralphs: [busy], vms: [aVm({ seeded: { work: head } })], iterations: [last] });

  it('the next iteration waits for its time', () => {
    expect(steps(world)).toEqual([]);
    expect(waits(world)).toEqual([expect.stringMatching(/^overloaded \(529\); tried again at 2027-/)]);
    expect(steps({ ...world, now: now + 40_000 })).toMatchObject([{ kind: 'start_iteration' }]);
    const retried = { ...world, tasks: [{ ...task, uncounted: 0 }] };
    expect(steps(retried)).toMatchObject([{ kind: 'start_iteration' }]);
  });

  it('again and again, the task is left to a person, with the reason and the remedy', () => {
    const tripped = { ...world, tasks: [{ ...task, uncounted: task.limits.uncounted }] };
    expect(steps(tripped)).toEqual(moves('blocked'));
    expect(steps(tripped)[0]?.reason).toBe(
      '10 starts in a row failed for reasons outside the task, the last: overloaded (529); once that is mended: ralph-fleet task retry T1',
    );
  });
});
