import { describe, expect, it } from 'vitest';
import { anIteration, aRalph, aTask, aVm, aWorld, base, config, head, now } from '../../../test/support/rows.ts';
import type { Task } from '../../domain/task.ts';
import { plan } from './plan.ts';

const busy = aRalph({ task: 'T1', vm: '0000000a' });
const minute = 60_000;

interface Scene {
  quietMs: number | null;
  task?: Partial<Task>;
  streamBytes?: number;
  limitMs?: number;
}

/** What is planned for a running iteration that has been quiet for so long. */
function at({ quietMs, task = {}, streamBytes = 0, limitMs = 10 * minute }: Scene) {
  const quiet = new Map(quietMs === null ? [] : [['it-1', quietMs]]);
  const guest = { ok: true, jobs: new Map([['it-1', { state: 'running' as const, streamBytes }]]) } as const;
  const world = aWorld({
    tasks: [aTask({ phase: 'implementing', base, head, disk: 'image', ralph: busy.name, ...task })],
    ralphs: [busy, aRalph({ name: 'reviewer-1', role: 'reviewer' })],
    vms: [aVm({ touched: true, seeded: { work: base } })],
    iterations: [anIteration({ startedAt: now - 20 * minute, savedAt: now, deadline: now + 20 * minute })],
  });
  const limits = { ...config.limits, silenceMs: limitMs };
  const { steps, waits } = plan({
    ...world,
    config: { ...config, limits },
    observed: { ...world.observed, quiet, guests: new Map([['0000000a', guest]]) },
  });
  return { steps: steps.filter(({ key }) => key === 'it:it-1'), waits };
}

const told = (scene: Scene) => ({
  steps: at(scene).steps.map(({ kind, data }) => ('silent' in data ? `${kind}, ${data.why}` : kind)),
  waits: at(scene).waits.map(({ reason }) => reason),
});

describe('an iteration without a sign of life', () => {
  it('is stopped after a while, and counts as one that timed out', () => {
    expect(at({ quietMs: 10 * minute }).steps).toMatchObject([
      { kind: 'end_iteration', data: { stop: true, silent: true, vmLost: false, why: 'silent for 10 minutes' } },
    ]);
  });

  it('is shown as quiet from half of that time on', () => {
    expect(told({ quietMs: 5 * minute })).toEqual({
      steps: [],
      waits: ['quiet for 5 minutes, no output and no model call; after 10 minutes it is stopped, its work saved'],
    });
    expect(told({ quietMs: 5 * minute - 1 })).toEqual({ steps: [], waits: [] });
  });

  it('is not stopped while it is not known to be silent', () => {
    expect(told({ quietMs: null })).toEqual({ steps: [], waits: [] });
  });

  it('may wait for the longest of its checks', () => {
    const checks = [60, 1200].map((timeoutSeconds) => ({
      id: `c${timeoutSeconds}`,
      description: '',
      run: 'x',
      timeoutSeconds,
    }));
    expect(told({ quietMs: 21 * minute - 1, task: { checks } }).steps).toEqual([]);
    expect(told({ quietMs: 21 * minute, task: { checks } }).steps).toEqual(['end_iteration, silent for 21 minutes']);
  });

  it('is not stopped before what it printed was read', () => {
    expect(told({ quietMs: 60 * minute, streamBytes: 1 }).steps).toEqual(['pull_stream']);
  });

  it('goes down with the fleet as any other, which is not its fault', () => {
    const [step] = at({ quietMs: 60 * minute, task: { phase: 'paused' } }).steps;
    expect(step).toMatchObject({ kind: 'end_iteration', data: { stop: true, silent: false } });
  });
});
