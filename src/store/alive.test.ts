import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import { anIteration, aProject, aRun, aTask, aVm } from '../../test/support/rows.ts';
import { openDatabase } from './open.ts';
import { createStore, type Store } from './store.ts';

function setup() {
  const db = openDatabase(':memory:');
  const clock = createVirtualClock();
  const store = createStore({ db, clock });
  store.projects.insert(aProject());
  return { store, anew: () => createStore({ db, clock }) };
}

const ids = (rows: readonly { id: string }[]) => rows.map((row) => row.id);

describe('what is alive', () => {
  it('is followed through every write, and what has ended is let go', () => {
    const { store } = setup();
    const { tasks, iterations, checkRuns } = store.alive;
    expect([ids(tasks.rows()), ids(iterations.rows())]).toEqual([[], []]);
    store.tasks.insert(aTask({ id: 'T1', phase: 'implementing' }));
    store.tasks.insert(aTask({ id: 'T2' }));
    store.iterations.insert(anIteration({ id: 'it-1', phase: 'ended' }));
    store.checkRuns.insert(aRun({ phase: 'passed' }));
    expect([ids(tasks.rows()), ids(iterations.rows()), ids(checkRuns.rows())]).toEqual([
      ['T1', 'T2'],
      ['it-1'],
      ['ck-1'],
    ]);
    store.tasks.update('T1', { phase: 'merged' });
    expect([ids(tasks.rows()), ids(iterations.rows()), ids(checkRuns.rows())]).toEqual([['T2'], [], []]);
  });

  it('holds what still runs for a task that has ended, and a failed task until it was seen', () => {
    const { store } = setup();
    store.tasks.insert(aTask({ phase: 'failed' }));
    store.iterations.insert(anIteration({ phase: 'running' }));
    expect([ids(store.alive.tasks.rows()), ids(store.alive.iterations.rows())]).toEqual([['T1'], ['it-1']]);
    store.tasks.update('T1', { seen: true });
    store.iterations.update('it-1', { phase: 'ended' });
    expect([store.alive.tasks.rows(), store.alive.iterations.rows()]).toEqual([[], []]);
  });

  it('takes what comes back to its old place', () => {
    const { store } = setup();
    for (const id of ['T1', 'T2', 'T3']) store.tasks.insert(aTask({ id }));
    expect(ids(store.alive.tasks.rows())).toEqual(['T1', 'T2', 'T3']);
    store.tasks.update('T2', { phase: 'failed', seen: true });
    expect(ids(store.alive.tasks.rows())).toEqual(['T1', 'T3']);
    store.tasks.update('T2', { phase: 'ready' });
    expect(ids(store.alive.tasks.rows())).toEqual(['T1', 'T2', 'T3']);
  });

  it('stays the same array until one of its rows is written', () => {
    const { store } = setup();
    store.vms.insert(aVm({ id: '0000000a' }));
    store.vms.insert(aVm({ id: '0000000b', phase: 'gone' }));
    const before = store.alive.vms.rows();
    store.vms.update('0000000b', { failure: 'x' });
    expect(store.alive.vms.rows()).toBe(before);
    store.vms.update('0000000a', { failure: 'x' });
    expect(store.alive.vms.rows()).toEqual([aVm({ id: '0000000a', failure: 'x' })]);
    expect(before).toEqual([aVm({ id: '0000000a' })]);
  });
});

const phases = ['ready', 'implementing', 'merged', 'failed', 'cancelled'] as const;
const number = fc.integer({ min: 1, max: 4 });
const write = fc.oneof(
  fc.record({ kind: fc.constant('task' as const), n: number, phase: fc.constantFrom(...phases), seen: fc.boolean() }),
  fc.record({ kind: fc.constant('iteration' as const), n: number, of: number, isOpen: fc.boolean() }),
  fc.record({ kind: fc.constant('ralph' as const), n: number, isThere: fc.boolean() }),
);
type Write = typeof write extends fc.Arbitrary<infer W> ? W : never;

function apply(store: Store, made: Write): void {
  if (made.kind === 'task') {
    const changes = { phase: made.phase, seen: made.seen };
    if (store.tasks.get(`T${made.n}`) === null) store.tasks.insert(aTask({ id: `T${made.n}`, ...changes }));
    else store.tasks.update(`T${made.n}`, changes);
  } else if (made.kind === 'iteration') {
    const row = anIteration({ id: `it-${made.n}`, task: `T${made.of}`, phase: made.isOpen ? 'running' : 'ended' });
    if (store.iterations.get(row.id) !== null) store.iterations.update(row.id, { task: row.task, phase: row.phase });
    else store.iterations.insert(row);
  } else if (!made.isThere) store.ralphs.remove(`r-${made.n}`);
  else if (store.ralphs.get(`r-${made.n}`) === null)
    store.ralphs.insert({ name: `r-${made.n}`, role: 'reviewer', task: null, vm: null, since: 0 });
}

describe('what a store remembers', () => {
  it('is what another one reads, after any writes, taken back or not', () => {
    const transaction = fc.record({
      writes: fc.array(write, { maxLength: 5 }),
      isTakenBack: fc.boolean(),
      look: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(transaction, { maxLength: 8 }), (transactions) => {
        const { store, anew } = setup();
        for (const { writes, isTakenBack, look } of transactions) {
          try {
            store.tx(() => {
              for (const made of writes) {
                apply(store, made);
                if (look) store.alive.iterations.rows();
              }
              if (isTakenBack) throw new Error('taken back');
            });
          } catch {
            // Also where a write was refused: an iteration needs its task.
          }
          const next = anew();
          for (const noun of ['tasks', 'iterations', 'ralphs'] as const) {
            expect(store.alive[noun].rows(), noun).toEqual(next.alive[noun].rows());
            expect(store[noun].list(), noun).toEqual(next[noun].list());
          }
        }
      }),
    );
  });
});
