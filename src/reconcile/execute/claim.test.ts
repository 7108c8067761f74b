import { expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { aProject, aRalph, aTask, base, head } from '../../../test/support/rows.ts';
import { withProjectChecks } from '../../domain/check.ts';
import { openDatabase } from '../../store/open.ts';
import { createStore } from '../../store/store.ts';
import type { ExecuteDeps } from './deps.ts';
import { claimTask } from './task.ts';

const check = (id: string, run: string) => ({ id, description: '', run, timeoutSeconds: 60 });
const own = [check('own', 'make own'), check('both', 'make mine')];
const atSubmit = [check('both', 'make theirs'), check('old', 'make old'), check('lint', 'lint 1')];
const atBase = [check('both', 'make theirs'), check('lint', 'lint 2'), check('new', 'make new')];

/** What a task checks once it is claimed; `from`: it was claimed before, from this commit. */
async function claimed(checks: ReturnType<typeof check>[], from: string | null, ofProject = atBase) {
  const store = createStore({ db: openDatabase(':memory:'), clock: createVirtualClock() });
  store.projects.insert(aProject());
  store.tasks.insert(aTask({ base: from, checks: withProjectChecks(checks, atSubmit) }));
  store.ralphs.insert(aRalph());
  const settings = { ...aProject().settings, checks: ofProject };
  const deps = {
    ...{ store, clock: createVirtualClock(), readSettings: async () => settings, images: { key: async () => 'image' } },
    changes: { sync: async () => ({ tip: base }), startChange: async () => ({ changeId: 'z', head }) },
  } as unknown as ExecuteDeps;
  await claimTask(deps, { task: 'T1', ralph: 'implementer-1' });
  const task = store.tasks.mustGet('T1');
  expect(task.phase).toBe('claimed');
  return task.checks.map(({ run }) => run);
}

it('a task runs its own checks, and those its project has at the base it is claimed from', async () => {
  expect(await claimed(own, null)).toEqual(['make own', 'make mine', 'lint 2', 'make new']);
});

it('once it has a base, it keeps what it was started with', async () => {
  expect(await claimed(own, base)).toEqual(['make own', 'make mine', 'make old', 'lint 1']);
});

it('is never left without any', async () => {
  expect(await claimed([], null, [])).toEqual(['make theirs', 'make old', 'lint 1']);
});
