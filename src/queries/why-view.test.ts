import { expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import { aProject, aTask, aVm } from '../../test/support/rows.ts';
import type { TaskPhase } from '../domain/task.ts';
import { openDatabase } from '../store/open.ts';
import { createStore } from '../store/store.ts';
import type { QueryDeps } from './deps.ts';
import { whyView } from './why-view.ts';

const vmStep = { kind: 'delete_vm', key: 'vm:0000000a', reason: 'nobody needs it' };
const taskStep = { kind: 'move_task', key: 'task:T1', reason: 'you approved this commit' };

it.each([
  ['awaiting_approval', [vmStep], 'your word'],
  ['awaiting_approval', [vmStep, taskStep], 'the next pass: move task (you approved this commit)'],
  ['verifying', [vmStep], 'the next pass: delete vm (nobody needs it)'],
  ['verifying', [], null],
] as const)('a task that is %s, with the steps %j, is moved by %s', (phase: TaskPhase, steps, mover) => {
  const clock = createVirtualClock();
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.projects.insert(aProject());
  store.vms.insert(aVm());
  const deps = { store, clock } as unknown as QueryDeps;
  expect(whyView(deps, aTask({ phase }), { steps: [...steps], waits: [] }).whatWouldMoveIt).toBe(mover);
});
