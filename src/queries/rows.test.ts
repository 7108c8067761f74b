import { expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import { anIteration, aProject, aRalph, aTask, aVm, config } from '../../test/support/rows.ts';
import { openDatabase } from '../store/open.ts';
import { createStore } from '../store/store.ts';
import type { Live, QueryDeps } from './deps.ts';
import { ralphRow } from './ralph-row.ts';
import { taskRow } from './task-row.ts';

function shown(waits: { subject: string; reason: string }[]) {
  const clock = createVirtualClock();
  const store = createStore({ db: openDatabase(':memory:'), clock });
  const ralph = aRalph({ task: 'T1', vm: aVm().id });
  store.projects.insert(aProject());
  store.tasks.insert(aTask({ phase: 'implementing', ralph: ralph.name }));
  store.vms.insert(aVm());
  store.ralphs.insert(ralph);
  store.iterations.insert(anIteration());
  const live = { lastPass: () => ({ at: 0, waits }), problems: () => [], doing: () => 'edits a.ts' };
  const deps: QueryDeps = { store, clock, config: () => config, live: live as unknown as Live };
  return [ralphRow(deps, ralph).does, taskRow(deps, store.tasks.mustGet('T1')).does];
}

it('a Ralph that is quiet is shown as such, one at work with what it does', () => {
  const quiet = { subject: 'T1', reason: 'quiet for 5 minutes' };
  expect(shown([quiet])).toEqual([quiet.reason, quiet.reason]);
  expect(shown([{ ...quiet, subject: 'T2' }])).toEqual(['edits a.ts', 'edits a.ts']);
});
