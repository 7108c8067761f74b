import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BudgetChange, type BudgetStop, budgetAt, budgetChain, stopHolds } from './budget.ts';
import { type Period, periodAt } from './budget-period.ts';
import { lastStop, nodesOfTask, sayStopAndRemedy, stopAmong, timeStop, workedMs } from './budget-stops.ts';

const fleet = { per: 'day', usd: 20, tokens: 5_000_000, calls: 5000, warnAt: 0.8, reviewShare: 0.2 } as const;
const limits = { maxTokens: null, maxUsd: 4, maxCalls: null, maxDurationMs: 3_600_000 };
const task = { id: 'T1', project: 'shop', limits };
const changed = (node: string, budget: BudgetChange['budget']): BudgetChange => ({ node, budget, at: 1, by: 'ada' });

describe('the budget at a level', () => {
  const at = (node: string, changes: BudgetChange[] = []) => budgetAt(node, { fleet, changes, task });

  it('is the file’s for the fleet, the task’s own or else the fleet’s for a task, a share of that for its reviews', () => {
    expect(at('fleet')).toEqual({ per: 'day', usd: 20, tokens: 5_000_000, calls: 5000, ms: null, warnAt: 0.8 });
    expect(at('task:T1')).toEqual({ per: 'total', usd: 4, tokens: 5_000_000, calls: 5000, ms: 3_600_000, warnAt: 0.8 });
    expect(at('review:T1')).toEqual({
      per: 'total',
      usd: 0.8,
      tokens: 1_000_000,
      calls: 1000,
      ms: 720_000,
      warnAt: 0.8,
    });
    expect(at('project:shop')).toMatchObject({ per: 'total', usd: null, tokens: null, calls: null });
    expect(at('ralph:implementer-1')).toMatchObject({ usd: null, tokens: null, calls: null });
  });

  it('is what a person set there, unit by unit; what hangs on it follows', () => {
    const changes = [
      changed('fleet', { tokens: 1000 }),
      changed('task:T1', { usd: 10, ms: null }),
      changed('project:shop', { usd: 7, per: 'month' }),
    ];
    expect(at('fleet', changes)).toMatchObject({ usd: 20, tokens: 1000 });
    expect(at('task:T1', changes)).toMatchObject({ usd: 10, tokens: 1000, ms: null });
    expect(at('review:T1', changes)).toMatchObject({ usd: 2, tokens: 200, ms: null });
    expect(at('project:shop', changes)).toMatchObject({ usd: 7, per: 'month', tokens: null });
    expect(at('review:T1', [changed('review:T1', { usd: null })])).toMatchObject({ usd: null, tokens: 1_000_000 });
  });

  it('counts a call at four levels, reviews beside their task', () => {
    const call = { project: 'shop', task: 'T1', ralph: 'r' };
    expect(budgetChain({ ...call, role: 'implementer' })).toEqual(['fleet', 'project:shop', 'task:T1', 'ralph:r']);
    expect(budgetChain({ ...call, role: 'reviewer' })).toEqual(['fleet', 'project:shop', 'review:T1', 'ralph:r']);
    expect(nodesOfTask(task)).toEqual(['fleet', 'project:shop', 'task:T1', 'review:T1']);
  });
});

describe('a level that refused a call', () => {
  const stop: BudgetStop = {
    node: 'fleet',
    unit: 'usd',
    per: 'day',
    limit: 20,
    used: 19.5,
    needed: 1,
    at: 5,
    until: 100,
  };
  const budget = (more: object = {}) => budgetAt('fleet', { fleet, changes: [changed('fleet', more)], task: null });

  it('keeps calls out until its period ends, its limit is raised, or it counts otherwise', () => {
    expect(stopHolds(stop, budget(), 99)).toBe(true);
    expect(stopHolds(stop, budget(), 100)).toBe(false);
    expect(stopHolds({ ...stop, until: null }, budget(), 1e15)).toBe(true);
    expect(stopHolds(stop, budget({ usd: 20.01 }), 99)).toBe(false);
    expect(stopHolds(stop, budget({ usd: 10 }), 99)).toBe(true);
    expect(stopHolds(stop, budget({ per: 'month' }), 99)).toBe(false);
  });

  it('is found on the way down, and said with what would move it', () => {
    const own = { ...stop, node: 'task:T1', unit: 'tokens', per: 'total', limit: 9e9, until: null, at: 6 } as const;
    const rows = { fleet, changes: [], stops: [own, stop], now: 99 };
    expect(stopAmong(nodesOfTask(task), task, rows)?.node).toBe('fleet');
    expect(stopAmong(nodesOfTask(task), task, { ...rows, now: 100 })?.node).toBe('task:T1');
    expect(lastStop(task, rows.stops)?.node).toBe('task:T1');
    expect(sayStopAndRemedy(stop)).toBe(
      'The fleet has used 19.50 USD of 20.00 USD a day, and the next call could take 1.00 USD; ' +
        'goes on at 1970-01-01T00:00:00.100Z, or sooner with ralph-fleet budget set fleet --usd …',
    );
    expect(sayStopAndRemedy(own)).toContain('raise it: ralph-fleet budget set T1 --tokens …');
  });

  it('may be out of time: what agents worked, by role', () => {
    const worked = (startedAt: number, endedAt: number | null, role: 'implementer' | 'reviewer' = 'implementer') => ({
      ...{ task: 'T1', role, startedAt, endedAt },
    });
    const iterations = [worked(0, 3_000_000), worked(0, 9, 'reviewer'), worked(4_000_000, null)];
    const ms = workedMs(iterations, { task: 'T1', role: 'implementer', now: 4_600_000 });
    expect(ms).toBe(3_600_000);
    const rows = { fleet, changes: [], stops: [], now: 1 };
    expect(timeStop(task, 'implementer', ms - 1, rows)).toBeNull();
    expect(timeStop(task, 'implementer', ms, rows)).toMatchObject({ node: 'task:T1', unit: 'ms', limit: 3_600_000 });
    expect(timeStop(task, 'reviewer', ms, rows)).toMatchObject({ node: 'review:T1', limit: 720_000 });
  });
});

describe('periods', () => {
  const at = (per: 'day' | 'month', now: string, timeZone: string): Period =>
    periodAt(per, Date.parse(now), { timeZone, runSince: 5 });
  const iso = ({ start, end }: Period) => [new Date(start).toISOString(), new Date(end ?? 0).toISOString()];

  it.each([
    ['UTC', '2026-12-31T23:59:59.999Z', '2026-12-31T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
    ['Asia/Kathmandu', '2026-11-21T20:00:00Z', '2026-11-21T18:15:00.000Z', '2026-11-22T18:15:00.000Z'],
    // Clocks go forward: a day of 23 hours; back: of 25.
    ['Europe/Berlin', '2026-03-29T12:00:00Z', '2026-03-28T23:00:00.000Z', '2026-03-29T22:00:00.000Z'],
    ['Europe/Berlin', '2026-10-25T12:00:00Z', '2026-10-24T22:00:00.000Z', '2026-10-25T23:00:00.000Z'],
    // Midnight itself is skipped; midnight comes twice; a whole day is skipped.
    ['America/Sao_Paulo', '2018-11-04T12:00:00Z', '2018-11-04T03:00:00.000Z', '2018-11-05T02:00:00.000Z'],
    ['America/Havana', '2026-11-01T12:00:00Z', '2026-11-01T04:00:00.000Z', '2026-11-02T05:00:00.000Z'],
    ['Pacific/Apia', '2011-12-31T09:00:00Z', '2011-12-30T10:00:00.000Z', '2011-12-31T10:00:00.000Z'],
  ])('begin and end at midnight of the host: %s, %s', (timeZone, now, start, end) => {
    expect(iso(at('day', now, timeZone))).toEqual([start, end]);
  });

  it('of a month begin on its first', () => {
    expect(iso(at('month', '2026-02-14T00:00:00Z', 'Europe/Berlin'))).toEqual([
      ...['2026-01-31T23:00:00.000Z', '2026-02-28T23:00:00.000Z'],
    ]);
    expect(iso(at('month', '2026-12-31T23:30:00Z', 'Europe/Berlin'))).toEqual([
      ...['2026-12-31T23:00:00.000Z', '2027-01-31T23:00:00.000Z'],
    ]);
  });

  it('of a run and in all do not end by themselves', () => {
    expect(periodAt('run', 99, { timeZone: 'UTC', runSince: 7 })).toEqual({ start: 7, end: null });
    expect(periodAt('total', 99, { timeZone: 'UTC', runSince: 7 })).toEqual({ start: 0, end: null });
  });

  it('follow each other without a gap, wherever and whenever', () => {
    const zones = ['UTC', 'Europe/Berlin', 'America/Havana', 'Australia/Lord_Howe', 'Asia/Tehran', 'America/St_Johns'];
    fc.assert(
      fc.property(
        fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2040, 0) }),
        fc.constantFrom(...zones),
        fc.constantFrom('day' as const, 'month' as const),
        (now, timeZone, per) => {
          const frame = { timeZone, runSince: 0 };
          const period = periodAt(per, now, frame);
          const end = period.end ?? Number.NaN;
          expect(now >= period.start && now < end).toBe(true);
          expect(periodAt(per, period.start, frame)).toEqual(period);
          expect(periodAt(per, end - 1, frame)).toEqual(period);
          expect(periodAt(per, end, frame).start).toBe(end);
        },
      ),
      { numRuns: 300 },
    );
  });
});
