import { expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { anIteration, aProject, aTask, aVm, config } from '../../../test/support/rows.ts';
import { FleetError } from '../../lib/errors.ts';
import { createSilentLog } from '../../lib/log.ts';
import { openDatabase } from '../../store/open.ts';
import { createStore } from '../../store/store.ts';
import type { Step } from '../plan/step.ts';
import type { ExecuteDeps } from './deps.ts';
import { execute } from './execute.ts';

function setup(error: FleetError) {
  const clock = createVirtualClock();
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.projects.insert(aProject());
  store.tasks.insert(aTask({ phase: 'implementing' }));
  store.vms.insert(aVm({ hostKey: 'k' }));
  store.iterations.insert(anIteration({ phase: 'started' }));
  const gateway = { openTunnel: () => Promise.reject(error), levels: () => Promise.reject(error) };
  const driver = { consoleTail: async () => '', endpoint: () => ({ kind: 'unix', path: '/x' }) };
  const guests = { jobs: () => Promise.reject(error) };
  const parts = { store, clock, gateway, driver, guests, config: () => config, log: createSilentLog() };
  const deps = { ...parts, tokenOf: () => 't', traceOf: () => null, agent: () => ({}) } as unknown as ExecuteDeps;
  const vm = aVm().id;
  const data = { iteration: 'it-1', vm, stop: false, vmLost: false, why: 'x' };
  const run = (kind: 'launch_iteration' | 'end_iteration') =>
    execute(deps, { kind, key: 'k', reason: 'r', data } as unknown as Step);
  return { store, vm, run };
}

const guestFull = new FleetError('storage', 'No space left on device', { details: { exitCode: 74 } });

it('a guest in which nothing can be begun, for want of room, is given up', async () => {
  const { store, vm, run } = setup(guestFull);
  await run('launch_iteration');
  expect(store.vms.get(vm)).toMatchObject({
    phase: 'failed',
    failure: 'nothing can be written in it: No space left on device',
  });
});

it('a guest whose work is not on the host yet is not, nor is one for want of room on the host', async () => {
  const full = setup(guestFull);
  await expect(full.run('end_iteration')).rejects.toBe(guestFull);
  const hostFull = setup(new FleetError('storage', 'the disk of the host is full'));
  await expect(hostFull.run('launch_iteration')).rejects.toThrow('of the host');
  for (const { store, vm } of [full, hostFull]) expect(store.vms.get(vm)?.phase).toBe('ready');
});
