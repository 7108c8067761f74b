import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import { anIteration, aProject, aTask, aVm, config } from '../../test/support/rows.ts';
import { openDatabase } from '../store/open.ts';
import { createStore } from '../store/store.ts';
import type { Live, LiveProblem } from './deps.ts';
import { waitOfVm } from './vm-view.ts';

const vm = aVm();
const problem: LiveProblem = {
  id: 'x',
  what: 'it keeps failing',
  since: 0,
  remedy: '',
  vm: vm.id,
  severity: 'warning',
};

function waitOf({ waits = {}, problems = [] as LiveProblem[], down = false, phase = vm.phase }): string | null {
  const clock = createVirtualClock();
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.projects.insert(aProject());
  store.tasks.insert(aTask());
  store.vms.insert({ ...vm, phase });
  store.iterations.insert(anIteration());
  store.setDesire(down ? 'deleted' : 'up');
  const said = Object.entries(waits).map(([subject, reason]) => ({ subject, reason: String(reason) }));
  const live = { lastPass: () => ({ at: 0, waits: said }), problems: () => problems } as unknown as Live;
  return waitOfVm({ store, clock, config: () => config, live }, { ...vm, phase });
}

describe('what a VM waits for', () => {
  it('is its own trouble, its own wait, that of the work in it, and on the way down the fleet’s', () => {
    const waits = { [vm.id]: 'goes down once its work is saved', T1: 'cannot ask it', fleet: 'no hypervisor' };
    expect(waitOf({ waits, problems: [problem] })).toBe('it keeps failing');
    expect(waitOf({ waits, problems: [{ ...problem, vm: 'another' }] })).toBe('goes down once its work is saved');
    expect(waitOf({ waits: { T1: 'cannot ask it', fleet: 'no hypervisor' } })).toBe('cannot ask it');
    expect(waitOf({ waits: { fleet: 'no hypervisor' }, down: true })).toBe('no hypervisor');
    expect(waitOf({ waits: { T1: 'cannot ask it' }, phase: 'identifying' })).toBe(
      'it is started to save the work in it',
    );
    expect(waitOf({ waits: { fleet: 'the fleet is paused', T2: 'waits' } })).toBe(null);
  });
});
