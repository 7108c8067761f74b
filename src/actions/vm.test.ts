import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import {
  aDisk,
  anIteration,
  aProject,
  aRalph,
  aSnapshot,
  aTask,
  aVm,
  base,
  config,
  head,
} from '../../test/support/rows.ts';
import type { Changes } from '../changes/changes.ts';
import type { Task } from '../domain/task.ts';
import type { Vm } from '../domain/vm.ts';
import { asFleetError } from '../lib/errors.ts';
import { openDatabase } from '../store/open.ts';
import { createStore } from '../store/store.ts';
import type { ActionDeps } from './deps.ts';
import { findVm } from './find-vm.ts';
import { rewind } from './rewind.ts';
import { cloneVm, deleteVm, snapshotVm } from './vm.ts';

function setup(task: Partial<Task> = {}, vm: Partial<Vm> = {}) {
  const clock = createVirtualClock();
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.projects.insert(aProject());
  store.disks.insert(aDisk());
  store.tasks.insert(aTask({ phase: 'implementing', base, head, disk: 'image', ralph: 'implementer-1', ...task }));
  store.ralphs.insert(aRalph({ task: 'T1', vm: '0000000a' }));
  store.vms.insert(aVm(vm));
  for (const n of [1, 2, 3]) {
    const savedCommit = n === 3 ? null : `${n}`.repeat(40);
    store.iterations.insert(anIteration({ id: `it-${n}`, n, phase: 'ended', fromCommit: head, savedCommit }));
  }
  store.setDesire('up');
  const deps: ActionDeps = { store, clock, changes: {} as Changes, config: () => config };
  return { store, deps };
}
const said = (act: () => unknown): string => {
  try {
    act();
    return 'nothing';
  } catch (error) {
    const { code, message } = asFleetError(error);
    return `${code}: ${message}`;
  }
};

describe('a VM', () => {
  it('goes by its name, the start of its id, the Ralph in it and its task', () => {
    const { deps } = setup();
    for (const word of ['rf-0000000a', '0000000a', '00000', 'implementer-1', 'T1', 't1', '1'])
      expect(findVm(deps, word).id, word).toBe('0000000a');
    expect(said(() => findVm(deps, 'rf-ffff'))).toBe('not_found: There is no VM, Ralph or task `rf-ffff`.');
    expect(said(() => findVm(deps, '../../etc'))).toContain('not_found');
    deps.store.vms.insert(aVm({ id: '0000000b', purpose: 'verifier', task: 'T1' }));
    expect(said(() => findVm(deps, '0000'))).toBe('usage: Several VMs begin with `0000`.');
    deps.store.vms.update('0000000a', { phase: 'gone' });
    expect(said(() => findVm(deps, 'T1'))).toBe('vm_not_ready: `T1` has no VM now.');
  });
});

describe('a snapshot', () => {
  it('is wanted of a Ralph’s VM, tied to its commit and iteration, once at a time', () => {
    const { store, deps } = setup();
    expect(snapshotVm(deps, 'T1', '5a9e0001')).toMatchObject({ name: 's-5a9e0001', changed: true });
    expect(store.snapshots.list()).toMatchObject([{ why: 'person', phase: 'wanted', n: 3, commit: head, task: 'T1' }]);
    expect(snapshotVm(deps, 'T1', '5a9e0002')).toMatchObject({ name: 's-5a9e0001', changed: false });
  });

  it('is refused of what nobody may touch, and of what is not there', () => {
    for (const purpose of ['verifier', 'warm', 'setup', 'template', 'replay'] as const) {
      const { deps } = setup({}, { purpose });
      expect(said(() => snapshotVm(deps, 'rf-0000000a', '5a9e0001'))).toContain(
        `it is a ${purpose} VM, which nobody touches`,
      );
      expect(said(() => cloneVm(deps, 'rf-0000000a', { vm: '0000000c', snapshot: '5a9e0001' }))).toContain('refused');
    }
    expect(said(() => snapshotVm(setup({}, { phase: 'identifying' }).deps, 'T1', '5a9e0001'))).toContain(
      'vm_not_ready',
    );
  });

  it('is deleted by its name, unless somebody starts from it', () => {
    const { store, deps } = setup();
    store.snapshots.insert(aSnapshot());
    cloneVm(deps, 's-5a9e0001', { vm: '0000000c', snapshot: '5a9e0002' });
    expect(said(() => deleteVm(deps, 's-5a9e0001'))).toContain('a VM is about to start from it');
    deleteVm(deps, 'rf-0000000c');
    deleteVm(deps, 's-5a9e0001');
    expect(store.snapshots.mustGet('5a9e0001').phase).toBe('leaving');
    expect(said(() => deleteVm(deps, 's-0badf00d'))).toBe('not_found: There is no snapshot `s-0badf00d`.');
  });
});

describe('a clone', () => {
  const ids = { vm: '0000000c', snapshot: '5a9e0009' };

  it('is of the VM as it is now, through a snapshot of its own; nobody’s task knows it', () => {
    const { store, deps } = setup();
    expect(cloneVm(deps, 'implementer-1', ids).name).toBe('rf-0000000c');
    expect(store.snapshots.mustGet('5a9e0009')).toMatchObject({ why: 'clone', phase: 'wanted', vm: '0000000a' });
    const made = store.vms.mustGet('0000000c');
    expect(made).toMatchObject({ purpose: 'clone', task: null, ralph: null, touched: true, phase: 'wanted' });
    expect(made.origin).toEqual({ snapshot: '5a9e0009', vm: '0000000a', task: 'T1', n: 3, commit: head });
  });

  it('is of the newest snapshot of a task whose VM is gone', () => {
    const { store, deps } = setup({}, { phase: 'gone' });
    expect(said(() => cloneVm(deps, 'T1', ids))).toContain('vm_not_ready');
    for (const n of [2, 1]) store.snapshots.insert(aSnapshot({ id: `0000000${n}`, n, iteration: `it-${n}` }));
    cloneVm(deps, 'T1', ids);
    expect(store.vms.mustGet('0000000c').origin?.snapshot).toBe('00000002');
  });

  it('wants a fleet that is up', () => {
    const { store, deps } = setup();
    store.setDesire('down');
    expect(said(() => cloneVm(deps, 'T1', ids))).toBe('refused: Cannot clone `T1`: the fleet is down.');
  });

  it('is the only VM a person deletes', () => {
    const { store, deps } = setup();
    expect(said(() => deleteVm(deps, 'T1'))).toBe('refused: Cannot delete `rf-0000000a`: it works on `T1`.');
    cloneVm(deps, 'T1', ids);
    expect(deleteVm(deps, 'rf-0000000c').changed).toBe(true);
    expect(deleteVm(deps, 'rf-0000000c').changed).toBe(false);
    expect(store.vms.mustGet('0000000c').desired).toBe('gone');
  });
});

describe('rewind', () => {
  const to = (where: string, notes: string | null = null) => ({ to: where, notes });
  const wish = (deps: ActionDeps) => deps.store.tasks.mustGet('T1').rewind;

  it('goes to an iteration with its disk, where that was kept, and opens a new stretch', () => {
    const { store, deps } = setup({
      iterations: 3,
      notes: [
        { from: 'checks', text: 'x', at: 1 },
        { from: 'human', text: 'y', at: 1 },
      ],
    });
    store.snapshots.insert(aSnapshot({ n: 2, iteration: 'it-2' }));
    expect(rewind(deps, 'implementer-1', to('2', 'not the parser')).message).toBe(
      '`T1` goes back to where iteration 2 ended: disk and change.',
    );
    const task = store.tasks.mustGet('T1');
    expect(task).toMatchObject({ phase: 'ready', ralph: null, iterations: 0 });
    expect(task.rewind).toEqual({ to: 2, commit: '2'.repeat(40), snapshot: '5a9e0001', isDone: false });
    expect(task.notes.map(({ text }) => text)).toEqual(['y', 'not the parser']);
    expect(rewind(deps, 'T1', to('1')).message).toContain('its change, on a fresh disk');
    expect(wish(deps)).toEqual({ to: 1, commit: '1'.repeat(40), snapshot: null, isDone: false });
  });

  it('goes to the beginning, to where an iteration left nothing, and to a snapshot', () => {
    const { store, deps } = setup();
    expect(rewind(deps, 'T1', to('0')).message).toBe('`T1` goes back to its beginning: on a fresh disk.');
    expect(wish(deps)?.commit).toBe(base);
    rewind(deps, 'T1', to('3'));
    expect(wish(deps)?.commit).toBe(head);
    store.snapshots.insert(aSnapshot({ why: 'person', n: 2, commit: null }));
    rewind(deps, 'T1', to('s-5a9e0001'));
    expect(wish(deps)).toEqual({ to: 2, commit: base, snapshot: '5a9e0001', isDone: false });
  });

  it('refuses what never was, what is another’s, and a task that has ended', () => {
    const { store, deps } = setup();
    for (const where of ['4', '-1', 'seven', '1e9'])
      expect(said(() => rewind(deps, 'T1', to(where)))).toBe(`usage: \`T1\` has no ended iteration \`${where}\`.`);
    store.snapshots.insert(aSnapshot({ task: 'T2' }));
    expect(said(() => rewind(deps, 'T1', to('s-5a9e0001')))).toContain('it is a snapshot of `T2`');
    for (const phase of ['merged', 'cancelled', 'integrating', 'draft'] as const)
      expect(said(() => rewind(setup({ phase }).deps, 'T1', to('0')))).toContain(`it is \`${phase}\``);
    expect(said(() => rewind(setup({ base: null, phase: 'ready' }).deps, 'T1', to('0')))).toContain('refused');
    for (const phase of ['failed', 'awaiting_approval', 'stalled', 'verifying'] as const)
      expect(said(() => rewind(setup({ phase }).deps, 'T1', to('1')))).toBe('nothing');
  });
});
