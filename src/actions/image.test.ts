import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import { aDisk, aProject, aReplay, aTask, aVm, base } from '../../test/support/rows.ts';
import type { Disk } from '../domain/disk.ts';
import { openDatabase } from '../store/open.ts';
import { createStore } from '../store/store.ts';
import { disksToRemove, removeDisks } from './image.ts';

function setup(disks: Partial<Disk>[]) {
  const clock = createVirtualClock();
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.projects.insert(aProject());
  for (const [at, disk] of disks.entries()) store.disks.insert(aDisk({ since: at, ...disk }));
  return { store, clock, going: () => disksToRemove({ store }).map((disk) => disk.key) };
}
const image = (key: string, more: Partial<Disk> = {}) => ({ key, ...more });
const prepared = (key: string, backing: string, more: Partial<Disk> = {}): Partial<Disk> => ({
  ...{ key, kind: 'prepared', project: 'p', backing, commit: base },
  ...more,
});

describe('disks nobody needs', () => {
  it('are those an input has made stale, oldest first; what the next task starts from stays', () => {
    const { going } = setup([
      image('old'),
      image('new'),
      prepared('a', 'old'),
      prepared('b', 'new'),
      prepared('c', 'new'),
    ]);
    expect(going()).toEqual(['old', 'a', 'b']);
  });

  it('are not those that a task, a VM or a replay stands on, nor the image under one that stays', () => {
    const { store, going } = setup([
      image('old'),
      image('new'),
      prepared('a', 'old'),
      prepared('b', 'new'),
      prepared('c', 'new'),
    ]);
    store.tasks.insert(aTask({ phase: 'paused', disk: 'a' }));
    expect(going()).toEqual(['b']);
    store.tasks.update('T1', { phase: 'merged' });
    expect(going()).toEqual(['old', 'a', 'b']);
    store.replays.insert(aReplay({ disk: 'a' }));
    expect(going()).toEqual(['b']);
    store.replays.update('rp-0000000a', { phase: 'ended', disk: 'a' });
    store.vms.insert(aVm({ task: null, disk: 'b' }));
    expect(going()).toEqual(['old', 'a']);
  });

  it('are those of a project that is gone, and those that failed; not one that is being made', () => {
    const { going } = setup([
      image('new'),
      prepared('x', 'new', { project: 'gone' }),
      prepared('f', 'new', { phase: 'failed' }),
    ]);
    expect(going()).toEqual(['x', 'f']);
    expect(setup([image('new'), prepared('b', 'new', { phase: 'building' })]).going()).toEqual([]);
  });

  it('are marked, for the passes to remove', () => {
    const deps = setup([image('old'), image('new')]);
    removeDisks(deps);
    expect(deps.store.disks.mustGet('old').phase).toBe('leaving');
    expect(deps.going()).toEqual([]);
  });
});
