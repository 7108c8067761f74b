import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import { aProject, aTask, aVm } from '../../test/support/rows.ts';
import { openDatabase } from '../store/open.ts';
import { createStore } from '../store/store.ts';
import { refusePurge } from './purge.ts';

function setup(phase: 'ready' | 'gone') {
  const store = createStore({ db: openDatabase(':memory:'), clock: createVirtualClock() });
  store.projects.insert(aProject());
  store.tasks.insert(aTask());
  store.vms.insert(aVm({ phase }));
  store.setDesire('deleted');
  const none = async (): Promise<{ id: string }[]> => [];
  const purge = (listed = none) => refusePurge({ store, listed, waitOf: () => 'its work is saved first' });
  return { store, purge };
}

describe('a purge is refused', () => {
  it('while VMs are there, each with what it waits for', async () => {
    await expect(setup('ready').purge()).rejects.toMatchObject({
      code: 'refused',
      message: 'Cannot purge: VMs are there: `rf-0000000a` (its work is saved first).',
    });
  });

  it('while the driver lists one that no row knows', async () => {
    await expect(setup('gone').purge(async () => [{ id: '0000000b' }])).rejects.toThrow('`rf-0000000b`');
  });

  it('while the fleet is up', async () => {
    const { store, purge } = setup('gone');
    store.setDesire('up');
    await expect(purge()).rejects.toThrow('the fleet is up');
  });

  it('not when nothing is there, or no hypervisor to ask any more', async () => {
    await setup('gone').purge();
    await setup('gone').purge(() => Promise.reject(new Error('no virsh')));
  });
});
