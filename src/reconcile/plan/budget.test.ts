import { describe, expect, it } from 'vitest';
import {
  anIteration,
  aRalph,
  aReview,
  aTask,
  aVm,
  aWorld,
  base,
  config,
  head,
  now,
} from '../../../test/support/rows.ts';
import type { BudgetStop } from '../../domain/budget.ts';
import { plan } from './plan.ts';
import type { World } from './world.ts';

const working = { base, head, disk: 'image', ralph: 'implementer-1', phase: 'implementing' as const };
const busy = aRalph({ task: 'T1', vm: '0000000a' });
const reviewer = aRalph({ name: 'reviewer-1', role: 'reviewer' });
const own: BudgetStop = {
  node: 'task:T1',
  unit: 'usd',
  per: 'total',
  limit: 10,
  used: 9,
  needed: 2,
  at: now - 9,
  until: null,
};
const fleet: BudgetStop = { ...own, node: 'fleet', per: 'day', until: now + 60_000 };

const steps = (world: World) => plan(world).steps.filter((step) => step.key === 'task:T1');
const waits = (world: World) =>
  plan(world)
    .waits.filter((wait) => wait.subject === 'T1')
    .map((wait) => wait.reason);
const raised = [{ node: 'task:T1', budget: { usd: 11 }, at: now, by: 'ada' }];

describe('a task whose budget is used up', () => {
  const parked = aTask({ phase: 'over_budget', base, head, disk: 'image', reason: 'used up' });

  it('waits, and says what would move it', () => {
    const world = aWorld({ tasks: [parked], stops: [own] });
    expect(steps(world)).toEqual([]);
    expect(waits(world)).toEqual([expect.stringContaining('raise it: ralph-fleet budget set T1 --usd')]);
    // What it was parked for is not known: only a person moves it on.
    expect(steps(aWorld({ tasks: [parked] }))).toEqual([]);
  });

  it('goes on by itself once its limit is raised, or its period is over', () => {
    const ready = [expect.objectContaining({ kind: 'move_task', data: expect.objectContaining({ to: 'ready' }) })];
    expect(steps(aWorld({ tasks: [parked], stops: [own], budgets: raised }))).toEqual(ready);
    expect(steps(aWorld({ tasks: [parked], stops: [fleet] }))).toEqual([]);
    expect(steps(aWorld({ tasks: [parked], stops: [fleet], now: now + 60_000 }))).toEqual(ready);
    const richer = { ...config, budget: { ...config.budget, usd: 11 } };
    expect(steps(aWorld({ tasks: [parked], stops: [fleet], config: richer }))).toEqual(ready);
  });

  it('goes on with its review, where that ran out', () => {
    const stop = { ...own, node: 'review:T1', limit: 2 };
    const budgets = [{ node: 'review:T1', budget: { usd: 3 }, at: now, by: 'ada' }];
    expect(steps(aWorld({ tasks: [parked], stops: [stop] }))).toEqual([]);
    expect(steps(aWorld({ tasks: [parked], stops: [stop], budgets }))[0]).toMatchObject({ data: { to: 'reviewing' } });
  });
});

describe('nothing new is started', () => {
  it('for a task without budget: it is parked before its next iteration', () => {
    const task = aTask({ ...working, judged: 'it-1' });
    const iterations = [anIteration({ phase: 'ended', outcome: 'partial', endedAt: now - 10 })];
    const world = aWorld({ tasks: [task], ralphs: [busy, reviewer], iterations, vms: [aVm()], stops: [own] });
    expect(steps(world)).toEqual([
      expect.objectContaining({ kind: 'move_task', data: expect.objectContaining({ to: 'over_budget' }) }),
    ]);
    const [started] = steps({ ...world, stops: [{ ...own, node: 'task:T2' }] });
    expect(started?.kind).not.toBe('move_task');
  });

  it('of a review without an allowance', () => {
    const task = aTask({ ...working, phase: 'reviewing', ralph: null });
    const stop = { ...own, node: 'review:T1', limit: 2 };
    const world = aWorld({ tasks: [task], reviews: [aReview()], stops: [stop] });
    expect(steps(world)[0]).toMatchObject({
      data: { to: 'over_budget', reason: expect.stringContaining('The review of `T1`') },
    });
    expect(steps({ ...world, stops: [own] })[0]).toMatchObject({ kind: 'request_vm' });
  });

  it('while the fleet has nothing left; a person hears of it once', () => {
    const world = aWorld({ tasks: [aTask(), aTask({ id: 'T2' })], stops: [fleet] });
    expect(plan(world).steps.map((step) => step.key)).toEqual([`ping:decide-budget:fleet:${fleet.at}`]);
    expect(waits(world)[0]).toContain('goes on at');
    expect(steps({ ...world, now: fleet.until ?? 0 })[0]?.kind).toBe('claim_task');
  });

  it('for a ready task whose own level or project refused it: it is parked, so that a person hears of it', () => {
    for (const node of ['task:T1', 'project:p']) {
      const budgets = [{ node: 'project:p', budget: { usd: 10 }, at: now, by: 'ada' }];
      const [step] = steps(aWorld({ tasks: [aTask()], stops: [{ ...own, node }], budgets }));
      expect(step).toMatchObject({ kind: 'move_task', data: { to: 'over_budget' } });
    }
  });

  it('by a Ralph that has nothing left, but by another', () => {
    const ralphs = [aRalph(), aRalph({ name: 'implementer-2' })];
    const budgets = [{ node: 'ralph:implementer-1', budget: { usd: 10 }, at: now, by: 'ada' }];
    const world = aWorld({ tasks: [aTask()], ralphs, stops: [{ ...own, node: 'ralph:implementer-1' }], budgets });
    expect(steps(world)[0]).toMatchObject({ kind: 'claim_task', data: { ralph: 'implementer-2' } });
  });

  it('when its time is used up', () => {
    const limits = { ...aTask().limits, maxDurationMs: 60_000 };
    const iterations = [
      anIteration({ phase: 'ended', outcome: 'partial', startedAt: now - 70_000, endedAt: now - 10_000 }),
    ];
    const world = aWorld({
      tasks: [aTask({ ...working, judged: 'it-1', limits })],
      ralphs: [busy, reviewer],
      iterations,
    });
    const [step] = steps(world);
    expect(step).toMatchObject({ data: { to: 'over_budget', stop: { unit: 'ms', used: 60_000, limit: 60_000 } } });
    const parked = aTask({ phase: 'over_budget', limits });
    const stop = { ...own, unit: 'ms' as const, limit: 60_000 };
    expect(steps(aWorld({ tasks: [parked], iterations, stops: [stop] }))).toEqual([]);
    const budgets = [{ node: 'task:T1', budget: { ms: 90_000 }, at: now, by: 'ada' }];
    expect(steps(aWorld({ tasks: [parked], iterations, stops: [stop], budgets }))[0]).toMatchObject({
      data: { to: 'ready' },
    });
  });
});
