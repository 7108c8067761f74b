import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import { aProject, aTask, aVm } from '../../test/support/rows.ts';
import { stateVersion } from '../domain/state-version.ts';
import { columns } from './columns.ts';
import { migrations } from './migrations.ts';
import { openDatabase } from './open.ts';
import { createStore } from './store.ts';

function setup() {
  const db = openDatabase(':memory:');
  const clock = createVirtualClock();
  const store = createStore({ db, clock });
  store.projects.insert(aProject());
  return { db, clock, store };
}

describe('columns and migrations', () => {
  it('hold the same columns of the same types for every noun', () => {
    const { db } = setup();
    const sqlType = { text: 'TEXT', json: 'TEXT', int: 'INTEGER', bool: 'INTEGER', real: 'REAL' };
    for (const [table, kinds] of Object.entries(columns)) {
      const there = db.prepare(`PRAGMA table_info(${table})`).all();
      const found = Object.fromEntries(there.map((column) => [String(column['name']), String(column['type'])]));
      const wanted = Object.entries(kinds).map(([name, kind]) => [name, sqlType[kind as keyof typeof sqlType]]);
      expect(found, table).toEqual(Object.fromEntries(wanted));
    }
  });

  it('are as many as `doctor` knows of', () => {
    expect(migrations).toHaveLength(stateVersion);
  });

  it('give every row back as it was put in', () => {
    const { db, clock, store } = setup();
    const task = aTask({ title: 'ünï\u0000code `"\'; DROP TABLE tasks', scenario: { a: [1, null] }, until: 2 ** 50 });
    store.tasks.insert(task);
    expect(store.tasks.get('T1')).toEqual(task);
    store.vms.insert(aVm({ seeded: { work: 'x' }, touched: true }));
    expect(store.vms.get('0000000a')).toEqual(aVm({ seeded: { work: 'x' }, touched: true }));
    // What this store remembers is what another one reads.
    const changes = {
      touched: false,
      origin: null,
      seeded: { work: 'y' },
      task: null,
      since: 7,
      size: { cpus: 2, memoryMiB: 1, diskGiB: 1 },
    };
    store.vms.update('0000000a', changes);
    expect(store.vms.get('0000000a')).toEqual(aVm(changes));
    const other = createStore({ db, clock });
    expect([other.vms.get('0000000a'), other.tasks.get('T1')]).toEqual([aVm(changes), task]);
  });
});

describe('a transaction', () => {
  it('is all or nothing, and what was remembered goes with it', () => {
    const { store } = setup();
    store.tasks.insert(aTask());
    store.setDesire('up');
    const events = store.events.last();
    expect(() =>
      store.tx(() => {
        store.tasks.update('T1', { title: 'other' });
        store.tasks.insert(aTask({ id: 'T2' }));
        store.setDesire('down');
        store.markPinged('x');
        store.spend.setCursor(7);
        expect([store.tasks.get('T1')?.title, store.tasks.list().length, store.fleet().desire]).toEqual([
          'other',
          2,
          'down',
        ]);
        expect([store.wasPinged('x'), store.pinged().has('x')]).toEqual([true, true]);
        throw new Error('boom');
      }),
    ).toThrow('boom');
    expect([store.tasks.get('T1')?.title, store.tasks.list().length, store.fleet().desire]).toEqual([
      'Add a thing',
      1,
      'up',
    ]);
    expect([store.wasPinged('x'), store.pinged().has('x'), store.events.last()]).toEqual([false, false, events]);
    expect(store.spend.cursor()).toBe(0);
  });

  it('joins the outer one, and announces events once, at its end', () => {
    const { store } = setup();
    let told = 0;
    store.events.onChange(() => told++);
    store.tx(() => {
      store.tx(() => store.events.add('a', 's', 't'));
      store.events.add('b', 's', 't');
      expect(told).toBe(0);
    });
    expect(told).toBe(1);
  });
});

describe('what was read', () => {
  it('is read again after a write', () => {
    const { store } = setup();
    store.tasks.insert(aTask({ phase: 'ready' }));
    expect(store.tasks.list("WHERE phase = 'ready'")).toHaveLength(1);
    store.tasks.update('T1', { phase: 'paused' });
    expect(store.tasks.list("WHERE phase = 'ready'")).toHaveLength(0);
    store.ralphs.insert({ name: 'reviewer-2', role: 'reviewer', task: null, vm: null, since: 0 });
    expect(store.ralphs.list()).toHaveLength(1);
    store.dropIdleRalphs('reviewer', 1);
    expect([store.ralphs.list(), store.ralphs.get('reviewer-2')]).toEqual([[], null]);
  });

  it("is nobody else's to change", () => {
    const { store } = setup();
    const task = aTask();
    store.tasks.insert(task);
    const notes = [{ from: 'human', text: 'a', at: 1 } as const];
    store.tasks.update('T1', { notes });
    task.dependsOn.push('T9');
    Object.assign(notes[0] ?? {}, { text: 'b' });
    expect(store.tasks.get('T1')).toMatchObject({ dependsOn: [], notes: [{ text: 'a' }] });
  });

  it('may be sorted by who read it without harm to the next', () => {
    const { store } = setup();
    for (const id of ['T1', 'T2', 'T3']) store.tasks.insert(aTask({ id }));
    store.tasks.list('ORDER BY id').reverse();
    expect(store.tasks.list('ORDER BY id').map((task) => task.id)).toEqual(['T1', 'T2', 'T3']);
  });

  it('is refused with the id when it is not there', () => {
    const { store } = setup();
    expect(() => store.tasks.mustGet('T9')).toThrow('There is no task `T9`.');
    expect(() => store.tasks.update('T9', { title: 'x' })).toThrow('There is no task `T9`.');
  });
});

describe('moves', () => {
  it('follow the table, are told as events, and void the approval when the implementer starts again', () => {
    const { store, clock } = setup();
    store.tasks.insert(aTask({ phase: 'awaiting_approval' }));
    const approval = { task: 'T1', commit: 'c', base: 'b', evidence: 'e', decision: 'approve', notes: null } as const;
    store.addApproval({ ...approval, channel: 'terminal', by: 'a', at: 1, state: 'active', carriedFrom: null });
    expect(() => store.moveTask('T1', 'merged')).toThrow('Cannot move task `T1` from `awaiting_approval` to `merged`.');
    store.moveTask('T1', 'ready', { reason: 'notes' });
    expect(store.approvals.list().map((each) => each.state)).toEqual(['void']);
    expect(store.tasks.get('T1')).toMatchObject({ phase: 'ready', reason: 'notes', since: clock.now() });
    expect(store.events.of('T1', 9).map((event) => event.kind)).toEqual(['task.ready']);
  });

  it('never hand out a task id twice', () => {
    const { store } = setup();
    expect([store.nextTaskId(), store.nextTaskId()]).toEqual(['T1', 'T2']);
  });
});

describe('spend', () => {
  it('is summed per iteration, keeps a refusal, and shows the newest limit', () => {
    const { store } = setup();
    const call = {
      iteration: 'it-1',
      task: 'T1',
      tokens: 10,
      usd: 0.5,
      imputedUsd: 0.2,
      calls: 1,
      refused: null,
      fault: null,
      shortfall: null,
    };
    const shortfall = { node: 'fleet', unit: 'usd', per: 'day', limit: 5, used: 4, needed: 2, until: 77 } as const;
    store.spend.add({ ...call, refused: 'usd', fault: '529', shortfall });
    store.spend.add(call);
    expect(store.spend.ofIteration('it-1')).toEqual({
      ...{ tokens: 20, usd: 1, calls: 2, refused: 'usd', fault: null, faults: 0, shortfall },
    });
    expect(store.spend.ofTask('T1')).toEqual({ tokens: 20, usd: 1, calls: 2 });
    expect(store.spend.ofTask('T2')).toEqual({ tokens: 0, usd: 0, calls: 0 });
  });

  it('knows how the provider failed the last calls, whatever else was refused meanwhile', () => {
    const { store } = setup();
    const call = { iteration: 'it-1', task: 'T1', tokens: 1, usd: 0, imputedUsd: 0, calls: 1, shortfall: null };
    const failureAfter = (refused: string | null, fault: string | null) => {
      store.spend.add({ ...call, refused, fault });
      const { fault: last, faults } = store.spend.ofIteration('it-1') ?? {};
      return [last, faults];
    };
    expect(failureAfter('upstream', 'ECONNREFUSED')).toEqual(['ECONNREFUSED', 1]);
    expect(failureAfter('upstream', '529')).toEqual(['529', 2]);
    expect(failureAfter('token-expired', null)).toEqual(['529', 2]);
    expect(failureAfter(null, null)).toEqual([null, 0]);
    expect(failureAfter('limit', 'limit')).toEqual(['limit', 1]);
  });
});
