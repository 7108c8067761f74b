import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import { anIteration, aProject, aReview, aRun, aTask, aVm } from '../../test/support/rows.ts';
import { openDatabase } from '../store/open.ts';
import { createStore } from '../store/store.ts';
import { countGas, type GasCall } from './count-gas.ts';
import { createRowCounter } from './count-rows.ts';

/** A store whose rows are counted, as the daemon has it. */
function setup(db = openDatabase(':memory:')) {
  const clock = createVirtualClock();
  const store = createStore({ db, clock });
  const times: [string, object, number][] = [];
  const meters = { observe: (name: string, labels: object, value: number) => void times.push([name, labels, value]) };
  const rows = createRowCounter({ add: store.tallies.add, meters, now: clock.now });
  store.tasks.onWrite(rows.task);
  store.vms.onWrite(rows.vm);
  store.iterations.onWrite(rows.iteration);
  store.checkRuns.onWrite(rows.checkRun);
  store.reviews.onWrite(rows.review);
  store.approvals.onWrite(rows.approval);
  const counted = () =>
    Object.fromEntries(
      store.tallies.all().map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(' '), value]),
    );
  return { db, clock, store, times, counted };
}

describe('rows that are written', () => {
  it('are counted when they come to their end, once, and so they stay over a restart', () => {
    const { db, clock, store, times, counted } = setup();
    store.projects.insert(aProject());
    store.tasks.insert(aTask({ phase: 'integrating', since: clock.now() - 5_000, createdAt: clock.now() - 60_000 }));
    store.iterations.insert(
      anIteration({ id: 'it-1', phase: 'running', startedAt: 1_000, outcome: null, endedAt: null }),
    );
    store.iterations.update('it-1', { streamBytes: 7 });
    expect(counted()).toEqual({});
    store.iterations.update('it-1', { phase: 'ended', outcome: 'done', endedAt: 31_000 });
    store.iterations.update('it-1', { summary: 'x' });
    store.checkRuns.insert(aRun({ id: 'ck-1', phase: 'running', kind: 'verify', startedAt: 0, endedAt: null }));
    store.checkRuns.update('ck-1', { phase: 'failed', endedAt: 2_000 });
    store.reviews.insert(aReview({ id: 'rv-1', phase: 'running' }));
    store.reviews.update('rv-1', { phase: 'changes_requested' });
    store.moveTask('T1', 'merged');
    const all = {
      'iterations_total done implementer': 1,
      'checks_total verify failed': 1,
      'reviews_total changes_requested': 1,
      'tasks_finished_total p merged': 1,
    };
    expect(counted()).toEqual(all);
    expect(times).toEqual([
      ['iteration_seconds', { role: 'implementer' }, 30],
      ['check_seconds', { kind: 'verify' }, 2],
      ['task_phase_seconds', { phase: 'integrating' }, 5],
      ['task_lead_time_seconds', {}, 60],
    ]);
    const next = setup(db);
    expect(next.counted()).toEqual(all);
    next.store.reviews.insert(aReview({ id: 'rv-2', phase: 'running' }));
    next.store.reviews.update('rv-2', { phase: 'changes_requested' });
    expect(next.counted()['reviews_total changes_requested']).toBe(2);
  });

  it('are not counted when their transaction is taken back', () => {
    const { store, counted } = setup();
    store.projects.insert(aProject());
    store.tasks.insert(aTask());
    store.iterations.insert(anIteration({ id: 'it-1', phase: 'running', outcome: null, endedAt: null }));
    const broken = () =>
      store.tx(() => {
        store.iterations.update('it-1', { phase: 'ended', outcome: 'crashed' });
        throw new Error('disk full');
      });
    expect(broken).toThrow('disk full');
    expect(counted()).toEqual({});
    store.iterations.update('it-1', { phase: 'ended', outcome: 'crashed' });
    expect(counted()).toEqual({ 'iterations_total crashed implementer': 1 });
  });

  it('tell of each start of a VM how it came to its end: a fork that fails boots', () => {
    const { clock, store, times, counted } = setup();
    store.vms.insert(aVm({ id: 'a', phase: 'wanted', way: 'fork', stage: null }));
    store.moveVm('a', 'preparing');
    store.moveVm('a', 'starting');
    store.moveVm('a', 'identifying', { stage: 'process', stageSince: clock.now() });
    store.moveVm('a', 'preparing', { way: 'boot', stage: null });
    store.moveVm('a', 'starting');
    store.moveVm('a', 'identifying', { stage: 'process', stageSince: clock.now() - 4_000 });
    store.vms.update('a', { stage: 'tools', stageSince: clock.now() });
    times.length = 0;
    store.moveVm('a', 'ready', { stage: null });
    expect(counted()).toEqual({ 'vm_starts_total failed fork': 1, 'vm_starts_total ok boot': 1 });
    expect(times.map(([name]) => name)).toEqual(['vm_stage_seconds', 'vm_ready_seconds']);
    store.moveVm('a', 'failed');
    store.vms.insert(aVm({ id: 'b', phase: 'starting', way: 'boot' }));
    store.moveVm('b', 'failed');
    expect(counted()).toMatchObject({ 'vm_starts_total failed boot': 1, 'vm_failures_total implementer': 2 });
  });
});

describe('settled calls', () => {
  const call: GasCall = {
    model: 'claude-x-20260101',
    usd: 0.5,
    imputedUsd: 0,
    calls: 1,
    refused: null,
    fault: null,
    flags: [],
    metered: { at: 500_000, role: 'reviewer', input: 5, output: 2, cacheRead: 90, cacheWrite: 0, isKnown: true },
  };
  const running = { endedAt: null };

  function count(...calls: [GasCall, { endedAt: number | null } | null][]) {
    const { store, counted } = setup();
    const models = new Set<string>();
    for (const [each, iteration] of calls) countGas({ add: store.tallies.add, models }, each, iteration);
    return counted();
  }

  it('count by kind of token, and by who pays', () => {
    expect(count([call, running], [{ ...call, imputedUsd: 0.5 }, running])).toEqual({
      'model_requests_total ok reviewer': 2,
      'model_tokens_total claude-x reviewer input': 10,
      'model_tokens_total claude-x reviewer output': 4,
      'model_tokens_total claude-x reviewer cache_read': 180,
      'model_cost_usd_total api claude-x reviewer': 0.5,
      'model_cost_usd_total subscription claude-x reviewer': 0.5,
    });
  });

  it('of models a guest made up are one series, and of those it could make up not more than fifty', () => {
    const named = (model: string, isKnown: boolean): [GasCall, typeof running] => [
      { ...call, model, usd: 0, metered: { ...call.metered, isKnown } },
      running,
    ];
    const many = Array.from({ length: 80 }, (_, n) => named(`m${n}`, true));
    const counted = Object.keys(count(named('made-up', false), ...many));
    expect(
      new Set(counted.filter((key) => key.startsWith('model_tokens_total')).map((key) => key.split(' ')[1])).size,
    ).toBe(50);
    expect(counted).toContain('model_tokens_total other reviewer input');
    expect(counted.join()).not.toContain('made-up');
  });

  it('of no running iteration are counted as such, unless they were only found later', () => {
    const idle = 'idle_model_requests_total';
    expect(count([call, null])[idle]).toBe(1);
    expect(count([call, { endedAt: 400_000 }])[idle]).toBe(1);
    expect(count([call, { endedAt: 490_000 }])[idle]).toBe(undefined);
    expect(count([{ ...call, flags: ['unsettled'] }, { endedAt: 1 }])[idle]).toBe(undefined);
  });

  it('that were refused are no calls of a model', () => {
    const refused = { ...call, usd: 0, calls: 0, refused: 'usd' };
    const nothing = { ...refused.metered, input: 0, output: 0, cacheRead: 0 };
    expect(count([{ ...refused, metered: nothing }, null])).toEqual({ 'gateway_refusals_total usd': 1 });
  });
});
