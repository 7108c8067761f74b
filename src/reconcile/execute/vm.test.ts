import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { aDisk, config } from '../../../test/support/rows.ts';
import { createFakeDriver } from '../../drivers/fake/driver.ts';
import { createFakeWorld } from '../../drivers/fake/world.ts';
import { createSystemRandom } from '../../lib/random.ts';
import { openDatabase } from '../../store/open.ts';
import { createStore } from '../../store/store.ts';
import { baseOf } from './base.ts';
import type { ExecuteDeps } from './deps.ts';
import { requestVm } from './vm.ts';

function setup() {
  const clock = createVirtualClock();
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.disks.insert(aDisk());
  const random = createSystemRandom();
  const hypervisor = createFakeWorld({ clock, random });
  const driver = createFakeDriver({ world: hypervisor, fleet: 'default' });
  const deps = { store, clock, driver, random, config: () => config } as unknown as ExecuteDeps;
  const ask = () =>
    requestVm(deps, {
      ...({ purpose: 'template', project: null, task: null, ralph: null, disk: aDisk().key } as const),
      ...({ prepares: null, warm: null, way: 'boot' } as const),
    });
  const settle = () => {
    for (const vm of hypervisor.vms.values()) hypervisor.settle(vm);
  };
  return { store, driver, deps, ask, settle };
}

describe('a VM that is to become a template', () => {
  it('is asked for once, and not at all once there is a template the plan did not know of', async () => {
    const { store, driver, deps, ask, settle } = setup();
    await ask();
    await ask();
    const [vm, ...more] = store.alive.vms.rows();
    expect(more).toEqual([]);
    const base = baseOf(deps, aDisk().key, config.vms.size);
    await driver.create({ id: vm?.id ?? '', authorizedKey: 'k', ...base });
    await driver.start(vm?.id ?? '');
    settle();
    await driver.saveTemplate(vm?.id ?? '', base);
    store.moveVm(vm?.id ?? '', 'deleting', { desired: 'gone' });
    await ask();
    expect(store.alive.vms.rows().map(({ phase }) => phase)).toEqual(['deleting']);
  });
});
