import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { anIteration, aProject, aTask, config } from '../../../test/support/rows.ts';
import type { BudgetLevel, NodeBudget, SettledCall } from '../../loop/ports.ts';
import { openDatabase } from '../../store/open.ts';
import { createStore } from '../../store/store.ts';
import { budgetLine, createBudgetTeller, msLeft } from './budget.ts';
import type { ExecuteDeps } from './deps.ts';
import { settle } from './settle.ts';

function setup() {
  const clock = createVirtualClock(Date.UTC(2026, 10, 21));
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.projects.insert(aProject());
  store.tasks.insert(aTask({ limits: { ...aTask().limits, maxUsd: 3, maxDurationMs: 3_600_000 } }));
  const calls: SettledCall[] = [];
  const told: (readonly NodeBudget[])[] = [];
  const world = { levels: [] as BudgetLevel[], isAway: false };
  const gateway = {
    settlements: async (after: number) => calls.filter((call) => call.seq > after),
    setBudgets: async (budgets: readonly NodeBudget[]) => {
      if (world.isAway) throw new Error('away');
      told.push(budgets);
    },
    setKeepFree: async () => {},
    liftLimit: async () => {},
    limits: async () => ({ limits: [], windows: [] }),
    levels: async () => {
      if (world.isAway) throw new Error('away');
      return world.levels;
    },
  };
  const deps = { store, clock, gateway, config: () => config } as unknown as ExecuteDeps;
  return { store, clock, deps, calls, told, world };
}

const call: SettledCall = {
  ...{
    seq: 1,
    task: 'T1',
    iteration: 'it-1',
    model: 'm',
    tokens: 10,
    usd: 0.5,
    imputedUsd: 0,
    calls: 1,
    refused: null,
    fault: null,
  },
  ...{ shortfall: null, warnings: [], flags: [] },
  metered: { at: 1, role: 'implementer', input: 8, output: 2, cacheRead: 0, cacheWrite: 0, isKnown: true },
};
const level: BudgetLevel = {
  ...{ node: 'fleet', per: 'day', since: 0, until: 9, limit: { usd: 10, tokens: null, calls: 100 }, held: 0 },
  ...{ settled: { usd: 4, tokens: 5, calls: 6 }, reserved: { usd: 1, tokens: 0, calls: 1 } },
};

describe('what the gateway settled', () => {
  it('is added once, and its refusals and warnings are kept and told', async () => {
    const { store, deps, calls } = setup();
    const limit = { node: 'review:T1', unit: 'usd', per: 'total', limit: 2, used: 1.8, until: null } as const;
    calls.push(
      {
        ...call,
        warnings: [{ ...limit, node: 'fleet', per: 'day', limit: 10, used: 8, until: Date.UTC(2026, 10, 22) }],
      },
      { ...call, seq: 2, calls: 0, refused: 'usd', shortfall: { ...limit, needed: 0.5 } },
      { ...call, seq: 3, flags: ['unsettled'] },
    );
    await settle(deps);
    await settle(deps);
    expect(store.spend.ofTask('T1')).toEqual({ tokens: 30, usd: 1.5, calls: 2 });
    expect(store.spend.ofIteration('it-1')).toMatchObject({
      refused: 'usd',
      shortfall: { node: 'review:T1', needed: 0.5 },
    });
    expect(store.stops.list()).toEqual([{ ...limit, needed: 0.5, at: Date.UTC(2026, 10, 21) }]);
    expect(store.events.of('fleet', 5).map((event) => event.text)).toContain(
      'The fleet has used 80 %: 8.00 USD of 10.00 USD a day, until 2026-11-22T00:00:00.000Z.',
    );
    expect(store.events.of('T1', 5)[0]?.text).toBe(
      'A call of T1 (m) was open when the gateway ended, and counts at its worst case: 0.50 USD, 10 tokens.',
    );
  });
});

describe('what the gateway is told', () => {
  it('is every level of what runs, once, and again when a limit changes', async () => {
    const { store, deps, told, world } = setup();
    store.iterations.insert(anIteration());
    const tell = createBudgetTeller(deps);
    world.isAway = true;
    await expect(tell()).rejects.toThrow('away');
    world.isAway = false;
    await tell();
    await tell();
    expect(told.map((budgets) => budgets.map((it) => [it.node, it.usd]))).toEqual([
      [
        ['fleet', 10],
        ['project:p', null],
        ['task:T1', 3],
        ['ralph:implementer-1', null],
      ],
    ]);
    store.budgets.set({ node: 'project:p', budget: { usd: 7, per: 'month' }, at: 1, by: 'ada' });
    await tell();
    expect(told.at(-1)?.[1]).toMatchObject({ node: 'project:p', usd: 7, per: 'month' });
  });
});

describe('the line on the budget in a prompt', () => {
  it('says what is left of the task and of the fleet, or that it is not known', async () => {
    const { store, deps, world } = setup();
    const task = store.tasks.mustGet('T1');
    const own = { ...level, node: 'task:T1', per: 'total' as const, limit: { usd: 3, tokens: 1000, calls: null } };
    world.levels = [level, { ...level, node: 'project:p' }, { ...own, settled: { usd: 1.25, tokens: 100, calls: 1 } }];
    expect(await budgetLine(deps, task, anIteration())).toBe(
      'Budget left for this task: 0.75 USD, 900 tokens, 60 min. The whole fleet has 5.00 USD, 93 calls left for today.',
    );
    world.isAway = true;
    expect(await budgetLine(deps, task, anIteration())).toBe('Budget left: not known just now.');
  });

  it('warns of every level that has used the share at which people are told', async () => {
    const { store, deps, world, clock } = setup();
    const task = store.tasks.mustGet('T1');
    const own = { ...level, node: 'task:T1', per: 'total' as const, limit: { usd: 3, tokens: 1000, calls: null } };
    const at = (usd: number, tokens: number) => ({
      ...own,
      settled: { usd, tokens, calls: 1 },
      reserved: { usd: 0, tokens: 0, calls: 0 },
    });
    world.levels = [
      { ...level, settled: { usd: 8, tokens: 5, calls: 6 } },
      { ...level, node: 'project:p', limit: { usd: null, tokens: null, calls: null } },
      at(1, 800),
    ];
    expect(await budgetLine(deps, task, anIteration())).toMatch(
      / left for today\. The fleet has used 90 % of its 10\.00 USD a day\. Task `T1` has used 80 % of its 1000 tokens\.$/,
    );
    world.levels = [level, level, at(2.39, 799)];
    expect(await budgetLine(deps, task, anIteration())).toMatch(/ left for today\.$/);
    store.iterations.insert(anIteration({ phase: 'ended', startedAt: clock.now() - 3_000_000, endedAt: clock.now() }));
    expect(await budgetLine(deps, task, anIteration())).toMatch(/ Most of the time for this task is used\.$/);
  });

  it('knows how long an agent may still work', () => {
    const { store, deps, clock } = setup();
    const task = store.tasks.mustGet('T1');
    const startedAt = clock.now() - 600_000;
    store.iterations.insert(anIteration({ phase: 'ended', startedAt, endedAt: clock.now() }));
    expect(msLeft(deps, task, 'implementer')).toBe(3_000_000);
    expect(msLeft(deps, task, 'reviewer')).toBe(720_000);
  });
});
