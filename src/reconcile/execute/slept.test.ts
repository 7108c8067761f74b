import { expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { anIteration, aProject, aTask, aVm, base, now } from '../../../test/support/rows.ts';
import { createSilentLog } from '../../lib/log.ts';
import { openDatabase } from '../../store/open.ts';
import { createStore } from '../../store/store.ts';
import type { ExecuteDeps } from './deps.ts';
import { afterSleep } from './slept.ts';

const hour = 3_600_000;

it('moves what iterations and VMs on their way have time for, and sets the clocks of guests that run', () => {
  const clock = createVirtualClock(now + hour);
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.projects.insert(aProject());
  store.tasks.insert(aTask({ phase: 'implementing', base }));
  const ids = { ready: '0000000a', identifying: '0000000b', stopped: '0000000c' } as const;
  for (const [phase, id] of Object.entries(ids))
    store.vms.insert(aVm({ id, phase: phase as 'ready', since: now - 10, stageSince: now - 5 }));
  store.iterations.insert(anIteration({ id: 'it-1', n: 1, phase: 'running', startedAt: now - 10, deadline: now + 10 }));
  store.iterations.insert(anIteration({ id: 'it-2', n: 2, phase: 'started', startedAt: now - 10, deadline: now + 10 }));
  store.iterations.insert(anIteration({ id: 'it-3', n: 3, phase: 'ended', startedAt: now - 10, deadline: now + 10 }));
  const set: [string, number][] = [];
  const driver = { setTime: async (id: string, ms: number) => void set.push([id, ms]) };
  afterSleep({ store, clock, log: createSilentLog(), driver } as unknown as ExecuteDeps, hour);
  const times = ['it-1', 'it-2', 'it-3'].map((id) => store.iterations.mustGet(id));
  expect(times.map(({ deadline }) => deadline - now)).toEqual([hour + 10, hour + 10, 10]);
  expect(times.map(({ startedAt }) => startedAt - now)).toEqual([-10, hour - 10, -10]);
  const since = Object.values(ids).map((id) => store.vms.mustGet(id).stageSince - now);
  expect(since).toEqual([-5, hour - 5, -5]);
  expect(set).toEqual([[ids.ready, now + hour]]);
});
