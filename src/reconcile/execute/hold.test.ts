import { expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { anIteration, aProject, aTask, aVm, base, now } from '../../../test/support/rows.ts';
import { FleetError } from '../../lib/errors.ts';
import { createSilentLog } from '../../lib/log.ts';
import { openDatabase } from '../../store/open.ts';
import { createStore } from '../../store/store.ts';
import type { ExecuteDeps } from './deps.ts';
import { holdVm } from './hold.ts';
import { resumeVm } from './vm.ts';

const vm = aVm().id;

/** A VM with an iteration in it, and a disk that may refuse to take a row. */
function setup(iteration: Parameters<typeof anIteration>[0] = {}) {
  const clock = createVirtualClock(now);
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.projects.insert(aProject());
  store.tasks.insert(aTask({ phase: 'implementing', base }));
  store.vms.insert(aVm());
  store.iterations.insert(anIteration(iteration));
  const calls: string[] = [];
  const state = { full: false };
  const note = (call: string) => async () => void calls.push(call);
  const tx = <T>(work: () => T): T => {
    if (state.full) throw new FleetError('storage', 'the disk is full');
    return store.tx(work);
  };
  const driver = { pause: note('pause'), resume: note('resume'), setTime: note('setTime') };
  const deps = { store: { ...store, tx }, clock, driver, log: createSilentLog() } as unknown as ExecuteDeps;
  return { clock, store, calls, state, deps };
}

const phase = ({ store }: ReturnType<typeof setup>) => store.vms.mustGet(vm).phase;

it('a VM is frozen also where the disk does not take its row any more; the row follows', async () => {
  const at = setup();
  at.state.full = true;
  await expect(holdVm(at.deps, { vm, why: 'x' })).rejects.toThrow('the disk is full');
  expect([phase(at), at.calls]).toEqual(['ready', ['pause']]);
  at.state.full = false;
  await holdVm(at.deps, { vm, why: 'the disk fills' });
  expect(phase(at)).toBe('paused');
  expect(at.store.events.of(`rf-${vm}`, 1)[0]?.text).toBe(`rf-${vm} is frozen: the disk fills`);
  expect(await holdVm(at.deps, { vm, why: 'x' })).toBe('waits');
});

it('frozen time is not the iteration’s: its deadline moves, the clock of its guest is set', async () => {
  const at = setup();
  const { deadline, startedAt } = at.store.iterations.mustGet('it-1');
  await holdVm(at.deps, { vm, why: 'x' });
  at.clock.after(7 * 3_600_000, () => {});
  await at.clock.step();
  await resumeVm(at.deps, { vm });
  expect([phase(at), at.calls]).toEqual(['ready', ['pause', 'resume', 'setTime']]);
  expect(at.store.iterations.mustGet('it-1')).toMatchObject({ deadline: deadline + 7 * 3_600_000, startedAt });
});

it('one that was not launched yet has its whole patience again', async () => {
  const at = setup({ phase: 'started' });
  await holdVm(at.deps, { vm, why: 'x' });
  at.clock.after(3_600_000, () => {});
  await at.clock.step();
  await resumeVm(at.deps, { vm });
  expect(at.store.iterations.mustGet('it-1').startedAt).toBe(now + 3_600_000);
});

it('what left its phase meanwhile is left alone', async () => {
  const at = setup();
  at.store.moveVm(vm, 'deleting');
  await holdVm(at.deps, { vm, why: 'x' });
  expect([phase(at), at.calls]).toEqual(['deleting', []]);
});
