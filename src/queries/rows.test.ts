import { expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import { anIteration, aProject, aRalph, aTask, aVm, config, now } from '../../test/support/rows.ts';
import { openDatabase } from '../store/open.ts';
import { createStore } from '../store/store.ts';
import type { Live, QueryDeps } from './deps.ts';
import { ralphRow } from './ralph-row.ts';
import { taskRow } from './task-row.ts';
import { taskView } from './task-view.ts';

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

it('an iteration that is being stopped has no outcome yet', () => {
  const clock = createVirtualClock();
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.projects.insert(aProject());
  store.tasks.insert(aTask({ phase: 'implementing' }));
  const silent = { outcome: 'timed_out', reason: 'silent for 12 minutes' } as const;
  store.iterations.insert(anIteration({ ...silent, id: 'it-1', phase: 'ended' }));
  store.iterations.insert(anIteration({ ...silent, id: 'it-2', n: 2, startedAt: now }));
  const live = { lastPass: () => null, problems: () => [], doing: () => null, traceOf: () => null } as unknown as Live;
  const { iterations } = taskView({ store, clock, config: () => config, live }, store.tasks.mustGet('T1'), []);
  expect(iterations.map(({ outcome, reason }) => [outcome, reason])).toEqual([
    ['timed_out', 'silent for 12 minutes'],
    [null, null],
  ]);
});

it('a Ralph that is quiet is shown as such, one at work with what it does', () => {
  const quiet = { subject: 'T1', reason: 'quiet for 5 minutes' };
  expect(shown([quiet])).toEqual([quiet.reason, quiet.reason]);
  expect(shown([{ ...quiet, subject: 'T2' }])).toEqual(['edits a.ts', 'edits a.ts']);
});
