import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import { aProject, aRalph, aTask, config, head } from '../../test/support/rows.ts';
import type { Changes } from '../changes/changes.ts';
import type { Task } from '../domain/task.ts';
import { isFleetError } from '../lib/errors.ts';
import { openDatabase } from '../store/open.ts';
import { createStore } from '../store/store.ts';
import { type BudgetWish, findLevel, setBudget } from './budget.ts';
import type { ActionDeps } from './deps.ts';
import { resume } from './task.ts';

function setup(task: Partial<Task> = {}) {
  const clock = createVirtualClock();
  const store = createStore({ db: openDatabase(':memory:'), clock });
  for (const name of ['shop', 'same']) store.projects.insert(aProject({ name }));
  store.tasks.insert(aTask({ project: 'shop', ...task }));
  store.ralphs.insert(aRalph());
  store.ralphs.insert(aRalph({ name: 'same' }));
  const deps: ActionDeps = { store, clock, changes: {} as Changes, config: () => config };
  const set = (level: string, wish: Partial<BudgetWish> = {}) =>
    setBudget(deps, { level, reset: false, by: 'ada', ...wish });
  return { store, deps, set };
}

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'nothing';
  } catch (error) {
    return isFleetError(error) ? error.code : String(error);
  }
}

describe('setting a budget', () => {
  it('finds a level as a person names it', () => {
    const { deps } = setup();
    const found = ['fleet', 'T1', 'task:T1', 'review:T1', 'shop', 'project:same', 'ralph:same', 'implementer-1'];
    expect(found.map((level) => findLevel(deps, level))).toEqual([
      ...[
        'fleet',
        'task:T1',
        'task:T1',
        'review:T1',
        'project:shop',
        'project:same',
        'ralph:same',
        'ralph:implementer-1',
      ],
    ]);
    expect(codeOf(() => findLevel(deps, 'same'))).toBe('usage');
    for (const level of ['T9', 'review:T9', 'project:T1', 'nonsense', ''])
      expect(codeOf(() => findLevel(deps, level))).toBe('not_found');
  });

  it('changes what is named and keeps the rest, says so once, and can be taken back', () => {
    const { store, set } = setup();
    expect(set('T1', { usd: 5 })).toMatchObject({
      changed: true,
      task: 'T1',
      message: 'Task `T1` may now spend 5.00 USD.',
    });
    expect(set('T1', { tokens: 1000, ms: null })).toMatchObject({
      message: 'Task `T1` may now spend 5.00 USD, 1000 tokens, without a limit on time.',
    });
    expect(set('T1', { tokens: 1000 })).toMatchObject({ changed: false });
    expect(store.budgets.get('task:T1')).toMatchObject({ budget: { usd: 5, tokens: 1000, ms: null }, by: 'ada' });
    expect(set('T1', { reset: true })).toMatchObject({ changed: true });
    expect(store.budgets.list()).toEqual([]);
    expect(set('T1', { reset: true })).toMatchObject({ changed: false });
    expect(store.events.of('T1', 9).map((event) => event.kind)).toEqual(['budget.set', 'budget.set', 'budget.reset']);
    expect(set('shop', { per: 'month', calls: 9 }).message).toBe('Project `shop` may now spend 9 calls a month.');
  });

  it('refuses what would let the fleet spend without end, says nothing, or has no meaning', () => {
    const { set } = setup();
    expect(codeOf(() => set('fleet', { usd: null }))).toBe('refused');
    expect(codeOf(() => set('T1'))).toBe('usage');
    expect(codeOf(() => set('fleet', { ms: 60_000 }))).toBe('usage');
    expect(codeOf(() => set('shop', { ms: 60_000 }))).toBe('usage');
  });
});

describe('resuming a task whose budget is used up', () => {
  const stop = {
    node: 'task:T1',
    unit: 'usd',
    per: 'total',
    limit: 10,
    used: 9,
    needed: 2,
    at: 1,
    until: null,
  } as const;
  const parked = { phase: 'over_budget' as const, head };

  it('tries again on a person’s word: the next call may be smaller', () => {
    const { store, deps } = setup(parked);
    store.stops.set(stop);
    resume(deps, 'T1');
    expect([store.tasks.get('T1')?.phase, store.stops.list()]).toEqual(['ready', []]);
  });

  it('goes on with the review that ran out', () => {
    const { store, deps } = setup(parked);
    store.stops.set({ ...stop, at: 5 });
    store.stops.set({ ...stop, node: 'review:T1', at: 6 });
    resume(deps, 'T1');
    expect([store.tasks.get('T1')?.phase, store.stops.list()]).toEqual(['reviewing', []]);
  });

  it('is no help where its time is up', () => {
    const limits = { ...aTask().limits, maxDurationMs: 1 };
    const { store, deps } = setup({ ...parked, limits });
    const iteration = {
      id: 'it-1',
      task: 'T1',
      ralph: 'implementer-1',
      vm: 'v',
      role: 'implementer',
      n: 1,
      nonce: '',
      phase: 'ended',
    } as const;
    const none = {
      outcome: 'partial',
      reason: null,
      summary: null,
      ask: null,
      retryAt: null,
      review: null,
      savedCommit: null,
      savedTree: null,
    } as const;
    store.iterations.insert({
      ...{
        ...iteration,
        ...none,
        fromCommit: head,
        startedAt: 0,
        endedAt: 5,
        deadline: 5,
        streamBytes: 0,
        lastOutputAt: null,
        arrived: null,
        savedAt: null,
      },
    });
    expect(codeOf(() => resume(deps, 'T1'))).toBe('refused');
    setBudget(deps, { level: 'T1', reset: false, by: 'ada', ms: 60_000 });
    resume(deps, 'T1');
    expect(store.tasks.get('T1')?.phase).toBe('ready');
  });
});
