import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { aDisk, aProject, aReplay, aTask, base, config } from '../../../test/support/rows.ts';
import type { Disk } from '../../domain/disk.ts';
import { createSilentLog } from '../../lib/log.ts';
import { openDatabase } from '../../store/open.ts';
import { createStore } from '../../store/store.ts';
import type { ExecuteDeps } from './deps.ts';
import { buildImage, dropDisk, sealDisk } from './disk.ts';
import { prepareReplay } from './replay.ts';
import { keepDisk } from './task.ts';

const recipe = { packages: [], run: 'make', inputs: ['a'], inputsHash: 'h', timeoutSeconds: 60, registries: [] };

function setup(...disks: Partial<Disk>[]) {
  const clock = createVirtualClock();
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.projects.insert(aProject());
  for (const disk of disks) store.disks.insert(aDisk(disk));
  const removed: string[] = [];
  const parts = {
    ...{ store, clock, log: createSilentLog(), config: () => config, driver: { canFork: false } },
    removeDisk: async ({ key }: Pick<Disk, 'key'>) => void removed.push(key),
    isThere: async () => true,
    images: { name: 'debian', key: async () => 'image', build: async () => ({ key: 'newer', path: '/x', boot: null }) },
    changes: { restoreProtected: async () => 'f'.repeat(40), hashPaths: async () => 'other', adopt: async () => {} },
  };
  return { store, removed, deps: parts as unknown as ExecuteDeps };
}

describe('a disk that is to go', () => {
  it('goes with its row', async () => {
    const { store, removed, deps } = setup({ phase: 'leaving' });
    await dropDisk(deps, { disk: 'image' });
    expect([removed, store.disks.list()]).toEqual([['image'], []]);
  });

  it('stays when somebody asked for it in the very moment it was given up, or it is not to go', async () => {
    const { store, removed, deps } = setup({ phase: 'leaving' }, { key: 'b' });
    store.tasks.insert(aTask({ phase: 'ready', disk: 'image' }));
    await dropDisk(deps, { disk: 'image' });
    await dropDisk(deps, { disk: 'b' });
    expect([removed, store.disks.list('ORDER BY key').map((disk) => disk.phase)]).toEqual([[], ['ready', 'wanted']]);
  });

  it('is wanted again for whoever needs it next, and is not made ready meanwhile by what was under way', async () => {
    const { store, deps } = setup({ key: 'd', kind: 'prepared', project: 'rp-0000000a', phase: 'leaving' });
    await sealDisk(deps, { disk: 'd', vm: 'none' });
    expect(store.disks.mustGet('d').phase).toBe('leaving');
    keepDisk(deps, { key: 'd', kind: 'prepared', project: 'p', backing: 'image', commit: base, recipe });
    expect(store.disks.mustGet('d')).toMatchObject({ phase: 'wanted', project: 'p', recipe });
  });
});

it('an image that this version builds no more is not passed off as it', async () => {
  const { store, deps } = setup({ phase: 'wanted', path: null });
  await buildImage(deps, { disk: 'image' });
  expect(store.disks.mustGet('image')).toMatchObject({ phase: 'failed', failure: expect.stringContaining('`newer`') });
});

describe('a replay of a bundle', () => {
  const source = { repository: '/r', change: null };
  const recorded = (more: object) => ({ ...aReplay().recorded, disk: 'gone', image: 'old', ...more });
  const prepare = async (more: object) => {
    const { store, deps } = setup({});
    store.replays.insert(
      aReplay({ task: null, project: 'rp-0000000a', source, phase: 'wanted', disk: null, recorded: recorded(more) }),
    );
    await prepareReplay(deps, { replay: 'rp-0000000a' });
    return store.replays.mustGet('rp-0000000a');
  };

  it('says what is not as it was', async () => {
    const replay = await prepare({ recipe: { ...recipe, inputsHash: 'other' } });
    expect(replay).toMatchObject({ phase: 'running', reason: null });
    expect(replay.remarks.join('; ')).toMatch(/the image is another one: old .*made again from its recipe/);
  });

  it('ends where the repository does not bear out what the bundle says', async () => {
    const runs = [{ variant: 'restored', tested: 'e'.repeat(40), results: [] }];
    expect(await prepare({ runs })).toMatchObject({ phase: 'failed', reason: expect.stringContaining('as recorded') });
    expect(await prepare({ recipe })).toMatchObject({
      phase: 'failed',
      reason: expect.stringContaining('inputs of its setup'),
    });
  });
});
