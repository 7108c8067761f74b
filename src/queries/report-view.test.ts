import { describe, expect, it } from 'vitest';
import { anIteration, aProject, aTask, config } from '../../test/support/rows.ts';
import type { Clock } from '../lib/clock.ts';
import { openDatabase } from '../store/open.ts';
import { createStore } from '../store/store.ts';
import type { QueryDeps } from './deps.ts';
import { reportView } from './report-view.ts';

const hour = 3_600_000;

function setup() {
  const time = { now: 100 * hour };
  const clock = { now: () => time.now } as Clock;
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.projects.insert(aProject());
  const later = (hours: number, change: () => void) => {
    time.now += hours * hour;
    change();
  };
  const deps = { store, clock, config: () => config } as unknown as QueryDeps;
  const worked = (id: string, from: number, to: number | null, more: object = {}) => {
    const outcome = to === null ? null : 'done';
    const phase = to === null ? 'running' : 'ended';
    store.iterations.insert(
      anIteration({ id, phase, outcome, startedAt: from * hour, endedAt: to === null ? null : to * hour, ...more }),
    );
    const refused = { refused: null, fault: null, shortfall: null };
    store.spend.add({ iteration: id, task: 'T1', tokens: 1000, usd: 0.5, imputedUsd: 0.25, calls: 2, ...refused });
  };
  return { store, deps, later, worked };
}

describe('a report', () => {
  it('counts what ended since, what runs on, and what was worked in its time only', () => {
    const { store, deps, worked } = setup();
    store.tasks.insert(aTask({ phase: 'implementing', createdAt: 0, limits: { ...aTask().limits, maxUsd: 4 } }));
    worked('it-1', 10, 49);
    worked('it-2', 40, 60);
    worked('it-3', 60, 61, { outcome: 'infra' });
    worked('it-4', 62, 63, { role: 'reviewer' });
    worked('it-5', 99, null);
    const { tasks, totals } = reportView(deps, 50 * hour);
    expect(tasks).toMatchObject([{ id: 'T1', iterations: 1, uncounted: 1, reviews: 1, limit: { usd: 4 } }]);
    expect(tasks[0]?.spent).toEqual({
      tokens: 4000,
      usd: 2,
      calls: 8,
      imputedUsd: 1,
      seconds: (10 + 1 + 1 + 1) * 3600,
    });
    // What it was handed in with stands against all it ever took, but for its reviews.
    expect(tasks).toMatchObject([{ predicted: { usd: 4, tokens: null }, used: { usd: 2, tokens: 4000 } }]);
    expect(totals).toMatchObject({ predicted: { usd: 4, tokens: null }, used: { usd: 2, tokens: null } });
    expect(totals).toMatchObject({ tasks: 1, merged: 0, iterations: 1, reviews: 1, spent: tasks[0]?.spent });
  });

  it('tells how long a task waited for its person, and forgets what had ended before', () => {
    const { store, deps, later } = setup();
    store.tasks.insert(aTask({ phase: 'reviewing', createdAt: 0 }));
    store.tasks.insert(aTask({ id: 'T2', phase: 'merged', since: 10 * hour, createdAt: 0 }));
    later(0, () => store.moveTask('T1', 'awaiting_approval'));
    later(3, () => store.moveTask('T1', 'ready', { reason: 'you asked for changes' }));
    later(5, () => store.moveTask('T1', 'claimed'));
    later(0, () => store.moveTask('T1', 'implementing'));
    later(0, () => store.moveTask('T1', 'needs_input'));
    later(2, () => {});
    const word = {
      task: 'T1',
      commit: 'c',
      base: 'b',
      evidence: 'e'.repeat(64),
      notes: null,
      channel: 'terminal',
      by: 'ada',
    };
    const state = 'active' as const;
    store.approvals.insert({ ...word, id: 1, state, decision: 'reject', at: 103 * hour, carriedFrom: null });
    store.approvals.insert({ ...word, id: 2, state, decision: 'approve', at: 109 * hour, carriedFrom: null });
    store.approvals.insert({ ...word, id: 3, state, decision: 'approve', at: 109 * hour, carriedFrom: 'c on a' });
    store.events.add('task.answered', 'T1', 'ada answered.');
    const since = (hours: number) => reportView(deps, hours * hour);
    expect(since(50).tasks.map(({ id, personSeconds }) => [id, personSeconds])).toEqual([['T1', 5 * 3600]]);
    expect(since(102).tasks[0]?.personSeconds).toBe(3 * 3600);
    expect(since(50).totals).toMatchObject({ waiting: 1, personSeconds: 5 * 3600, decisions: 3 });
    expect(since(105).tasks).toMatchObject([{ rejections: 0, decisions: 2 }]);
    expect(since(10).tasks.map(({ id, endedAt }) => [id, endedAt !== null])).toEqual([
      ['T1', false],
      ['T2', true],
    ]);
  });
});
