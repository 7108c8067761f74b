import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { aProject, aTask, now } from '../../../test/support/rows.ts';
import { resumeSpreadMs, type UsageLimit } from '../../domain/usage-limit.ts';
import { openDatabase } from '../../store/open.ts';
import { createStore } from '../../store/store.ts';
import type { ExecuteDeps } from './deps.ts';
import { keepLimits, liftLimits, providerTrouble } from './limits.ts';

function setup() {
  const clock = createVirtualClock(now);
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.projects.insert(aProject());
  store.tasks.insert(aTask());
  const config = () => ({ agent: { model: 'opus-99' } });
  const deps = { store, clock, agent: () => ({ provider: 'anthropic' }), config } as unknown as ExecuteDeps;
  const events = () => store.events.of('fleet', 20).map((event) => event.kind);
  const failed = (fault: string | null) =>
    store.spend.add({
      iteration: 'it-1',
      task: 'T1',
      tokens: 0,
      usd: 0,
      imputedUsd: 0,
      calls: 1,
      shortfall: null,
      refused: fault && 'upstream',
      fault,
    });
  return { clock, store, deps, events, failed };
}

const limit: UsageLimit = {
  id: 'anthropic:ab:5h',
  provider: 'anthropic',
  window: '5h',
  cause: 'reached',
  usedRatio: 1,
  since: now,
  until: now + 3_600_000,
};

describe('limits the gateway tells of', () => {
  it('are kept and told once, and outlast their reset a little', async () => {
    const { clock, store, deps, events } = setup();
    keepLimits(deps, [limit]);
    keepLimits(deps, [{ ...limit, until: now + 7_200_000 }]);
    expect(store.limits.list()).toEqual([{ ...limit, until: now + 7_200_000, lifted: false }]);
    expect(events()).toEqual(['limit.began']);
    void clock.sleep(7_200_000);
    await clock.step();
    keepLimits(deps, []);
    expect(store.limits.list()).toHaveLength(1);
    void clock.sleep(resumeSpreadMs);
    await clock.step();
    keepLimits(deps, []);
    expect(store.limits.list()).toEqual([]);
    expect(store.events.of('fleet', 1)[0]?.text).toBe('The usage limit of anthropic was reset.');
  });

  it('that a person wants tried are lifted at the gateway, and hold again when a call met them again', async () => {
    const { store, deps } = setup();
    const lifted: unknown[] = [];
    const gateway = { liftLimit: async (...one: unknown[]) => void lifted.push(one) };
    keepLimits(deps, [limit]);
    await liftLimits({ ...deps, gateway } as unknown as ExecuteDeps);
    store.limits.update(limit.id, { lifted: true });
    await liftLimits({ ...deps, gateway } as unknown as ExecuteDeps);
    expect(lifted).toEqual([[limit.id, now]]);
    keepLimits(deps, [{ ...limit, since: now + 1 }]);
    expect(store.limits.get(limit.id)?.lifted).toBe(false);
    store.limits.update(limit.id, { lifted: true });
    keepLimits(deps, []);
    expect(store.limits.list()).toEqual([]);
  });

  it('are over at once when they no longer hold', () => {
    const { store, deps } = setup();
    keepLimits(deps, [limit]);
    keepLimits(deps, []);
    expect(store.limits.list()).toEqual([]);
    expect(store.events.of('fleet', 1)[0]?.text).toContain('holds no longer');
  });
});

describe('how an iteration is judged by what its calls met', () => {
  const judged = ({ deps }: ReturnType<typeof setup>, uncounted = 0) =>
    providerTrouble(deps, aTask({ uncounted }), 'it-1');

  it('a limit that holds limits it until the reset', () => {
    const world = setup();
    keepLimits(world.deps, [limit]);
    world.failed('limit');
    const { usageLimit, outage, retryAt } = judged(world);
    expect([usageLimit, outage]).toEqual([expect.stringContaining('the 5-hour limit'), null]);
    expect(retryAt).toBeGreaterThanOrEqual(limit.until);
  });

  it('one of another family of models does not', () => {
    const world = setup();
    keepLimits(world.deps, [{ ...limit, window: '7d_opus' }]);
    world.failed('limit');
    const by = (model: string | null) => providerTrouble(world.deps, aTask({ model }), 'it-1').usageLimit;
    expect(by('claude-sonnet-4-5')).toBeNull();
    expect(by('claude-opus-4-8')).toContain('the 7-day opus limit of anthropic');
    // It stands in fleet.yaml.
    expect(by(null)).toContain('the 7-day opus limit');
  });

  it('one that was lifted meanwhile costs it nothing either', () => {
    const world = setup();
    world.failed('limit');
    expect(judged(world)).toMatchObject({ usageLimit: null, outage: expect.stringContaining('lifted') });
  });

  it('an outage is said, and waited for longer each time, within bounds', () => {
    const world = setup();
    for (let n = 0; n < 11; n++) world.failed('529');
    expect(judged(world).outage).toBe('the model API of anthropic failed the last 11 calls: overloaded (529)');
    const waitedMs = (uncounted: number) => (judged(world, uncounted).retryAt ?? 0) - now;
    expect(waitedMs(0)).toBeGreaterThanOrEqual(10_000);
    expect(waitedMs(0)).toBeLessThan(12_500);
    expect(waitedMs(3)).toBeGreaterThanOrEqual(80_000);
    expect(waitedMs(19)).toBeLessThan(37.5 * 60_000);
  });

  it('a model that is not there is named, with what mends it, and is no outage', () => {
    const world = setup();
    world.failed('model');
    const trouble = { usageLimit: null, outage: null, retryAt: null };
    expect(judged(world)).toEqual({
      ...trouble,
      unknownModel: expect.stringMatching(/`opus-99`.*`agent\.model` in fleet\.yaml/),
    });
    const ofTask = providerTrouble(world.deps, aTask({ model: 'own-1' }), 'it-1');
    expect(ofTask.unknownModel).toMatch(/`own-1`.*`execution\.model`/);
  });

  it('a provider that answers again is no excuse', () => {
    const world = setup();
    world.failed('ECONNREFUSED');
    world.failed(null);
    expect(judged(world)).toEqual({ usageLimit: null, outage: null, unknownModel: null, retryAt: null });
  });
});
