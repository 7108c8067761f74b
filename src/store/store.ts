import type { Approval } from '../domain/approval.ts';
import type { BudgetChange, BudgetStop } from '../domain/budget.ts';
import type { CheckRun } from '../domain/check.ts';
import type { Disk } from '../domain/disk.ts';
import type { RaisedFlag } from '../domain/flag.ts';
import type { FleetDesire, FleetEvent, Ralph } from '../domain/fleet.ts';
import type { Iteration } from '../domain/iteration.ts';
import type { Lesson } from '../domain/lesson.ts';
import { assertMove } from '../domain/phase-table.ts';
import type { Project } from '../domain/project.ts';
import type { Replay } from '../domain/replay.ts';
import type { Review } from '../domain/review.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import { type Task, type TaskPhase, taskTransitions } from '../domain/task.ts';
import type { KnownLimit } from '../domain/usage-limit.ts';
import { type Vm, type VmPhase, vmTransitions } from '../domain/vm.ts';
import type { Clock } from '../lib/clock.ts';
import { type Alive, createAlive } from './alive.ts';
import { columns } from './columns.ts';
import { type Cursors, createCursors } from './cursors.ts';
import { createEvents, type Events } from './events.ts';
import { createKeyed, type Keyed } from './keyed.ts';
import type { Database } from './open.ts';
import { createSpend, type SpendStore } from './spend.ts';
import { createTable, type Table } from './table.ts';
import { createTallies, type Tallies } from './tallies.ts';

/**
 * The daemon's memory. The only SQL of the daemon lives in this folder. Every change of desired state and its event are one
 * transaction (`tx`); nested calls join the outer one. All calls are synchronous.
 */
export interface Store {
  tx<T>(work: () => T): T;
  fleet(): { desire: FleetDesire; paused: boolean; since: number };
  setDesire(desire: FleetDesire): void;
  /** Frozen: nothing new is started, what runs goes on. */
  setPaused(paused: boolean): void;
  /** The next task id, `T1`, `T2`, …; never reused, also when the transaction that took it is rolled back and made again. */
  nextTaskId(): string;
  projects: Table<Project>;
  tasks: Table<Task>;
  ralphs: Table<Ralph>;
  vms: Table<Vm>;
  snapshots: Table<Snapshot>;
  disks: Table<Disk>;
  iterations: Table<Iteration>;
  checkRuns: Table<CheckRun>;
  reviews: Table<Review>;
  approvals: Table<Approval>;
  lessons: Table<Lesson>;
  flags: Table<RaisedFlag>;
  replays: Table<Replay>;
  /** What people have set, by level of the budget tree. */
  budgets: Keyed<BudgetChange>;
  /** Levels that have refused a call, by level. */
  stops: Keyed<BudgetStop>;
  /** Usage limits the gateway told of. */
  limits: Table<KnownLimit>;
  alive: Alive;
  events: Events;
  cursors: Cursors;
  spend: SpendStore;
  tallies: Tallies;
  /** Moves a task by its transition table; refuses an illegal move. Writes the event. */
  moveTask(id: string, to: TaskPhase, more?: Partial<Task>): Task;
  moveVm(id: string, to: VmPhase, more?: Partial<Vm>): Vm;
  addApproval(approval: Omit<Approval, 'id'>): Approval;
  wasPinged(item: string): boolean;
  pinged(): ReadonlySet<string>;
  markPinged(item: string): void;
  /** Drops idle slots of a role beyond `wanted`. */
  dropIdleRalphs(role: Ralph['role'], wanted: number): void;
  close(): void;
}

export function createStore(deps: { db: Database; clock: Clock }): Store {
  const { db, clock } = deps;
  const tables = {
    projects: createTable<Project>(db, 'projects', columns.projects, 'name'),
    tasks: createTable<Task>(db, 'tasks', columns.tasks, 'id'),
    ralphs: createTable<Ralph>(db, 'ralphs', columns.ralphs, 'name'),
    vms: createTable<Vm>(db, 'vms', columns.vms, 'id'),
    snapshots: createTable<Snapshot>(db, 'snapshots', columns.snapshots, 'id'),
    disks: createTable<Disk>(db, 'disks', columns.disks, 'key'),
    iterations: createTable<Iteration>(db, 'iterations', columns.iterations, 'id'),
    checkRuns: createTable<CheckRun>(db, 'checkRuns', columns.checkRuns, 'id'),
    reviews: createTable<Review>(db, 'reviews', columns.reviews, 'id'),
    approvals: createTable<Approval>(db, 'approvals', columns.approvals, 'id'),
    lessons: createTable<Lesson>(db, 'lessons', columns.lessons, 'id'),
    flags: createTable<RaisedFlag>(db, 'flags', columns.flags, 'id'),
    replays: createTable<Replay>(db, 'replays', columns.replays, 'id'),
    budgets: createKeyed(createTable<BudgetChange>(db, 'budgets', columns.budgets, 'node')),
    stops: createKeyed(createTable<BudgetStop>(db, 'stops', columns.stops, 'node')),
    limits: createTable<KnownLimit>(db, 'limits', columns.limits, 'id'),
  };
  const events = createEvents(db, clock);
  const spend = createSpend(db);
  const tallies = createTallies(db);
  const cursors = createCursors(db);
  db.prepare('INSERT OR IGNORE INTO fleet (id, desire, paused, since, nextTask) VALUES (1, ?, 0, ?, 1)').run(
    'down',
    clock.now(),
  );
  const pingInsert = db.prepare('INSERT OR IGNORE INTO pings (item, at) VALUES (?, ?)');
  const pingGet = db.prepare('SELECT 1 FROM pings WHERE item = ?');
  const pingAll = db.prepare('SELECT item FROM pings');
  const fleetGet = db.prepare('SELECT desire, paused, since FROM fleet WHERE id = 1');
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const rollback = db.prepare('ROLLBACK');

  let pings: Set<string> | null = null;
  let fleet: ReturnType<Store['fleet']> | null = null;
  let depth = 0;
  function tx<T>(work: () => T): T {
    if (depth > 0) return work();
    begin.run();
    depth++;
    try {
      const result = work();
      commit.run();
      return result;
    } catch (error) {
      // SQLite itself takes back a transaction that could not be written (disk full).
      if (db.isTransaction) rollback.run();
      for (const table of Object.values(tables)) table.touch();
      spend.forget();
      tallies.forget();
      pings = null;
      fleet = null;
      throw error;
    } finally {
      depth--;
      if (depth === 0) events.announce();
    }
  }

  function voidApprovals(task: string): void {
    for (const { id } of tables.approvals.list("WHERE task = ? AND state = 'active'", task)) {
      tables.approvals.update(id, { state: 'void' });
    }
  }

  function moveTask(id: string, to: TaskPhase, more: Partial<Task> = {}): Task {
    return tx(() => {
      const task = tables.tasks.mustGet(id);
      if (task.phase !== to) assertMove('task', id, taskTransitions, task.phase, to);
      const changes: Partial<Task> = { reason: null, until: null, ...more, phase: to };
      if (task.phase !== to) Object.assign(changes, { since: clock.now(), seen: false });
      tables.tasks.update(id, changes);
      // The change an approval was given for is no more once its implementer starts again.
      if (to === 'ready') voidApprovals(id);
      const reason = changes.reason ?? null;
      if (task.phase !== to || reason !== task.reason) {
        events.add(`task.${to}`, id, `${id} is ${to.replaceAll('_', ' ')}: ${reason ?? task.title}`);
      }
      return tables.tasks.mustGet(id);
    });
  }

  function moveVm(id: string, to: VmPhase, more: Partial<Vm> = {}): Vm {
    return tx(() => {
      const vm = tables.vms.mustGet(id);
      assertMove('vm', id, vmTransitions, vm.phase, to);
      const changes: Partial<Vm> = { ...more, phase: to, since: clock.now() };
      tables.vms.update(id, changes);
      const what = `${vm.purpose} VM${vm.task === null ? '' : ` of ${vm.task}`}`;
      events.add(`vm.${to}`, `rf-${id}`, `rf-${id} (${what}) is ${to}${changes.failure ? `: ${changes.failure}` : ''}`);
      return tables.vms.mustGet(id);
    });
  }

  return {
    ...tables,
    alive: createAlive(tables),
    events,
    cursors,
    spend,
    tallies,
    tx,
    moveTask,
    moveVm,
    fleet() {
      if (fleet !== null) return fleet;
      const row = fleetGet.get() as unknown as { desire: FleetDesire; paused: number; since: number };
      fleet = { desire: row.desire, paused: row.paused === 1, since: row.since };
      return fleet;
    },
    setPaused(paused) {
      tx(() => {
        db.prepare('UPDATE fleet SET paused = ? WHERE id = 1').run(paused ? 1 : 0);
        fleet = null;
        events.add(
          paused ? 'fleet.paused' : 'fleet.resumed',
          'fleet',
          paused ? 'Nothing new is started.' : 'The fleet goes on.',
        );
      });
    },
    setDesire(desire) {
      tx(() => {
        db.prepare('UPDATE fleet SET desire = ?, since = ? WHERE id = 1').run(desire, clock.now());
        fleet = null;
        events.add(`fleet.${desire}`, 'fleet', `The fleet is asked to be ${desire}.`);
      });
    },
    nextTaskId() {
      const row = db
        .prepare('UPDATE fleet SET nextTask = nextTask + 1 WHERE id = 1 RETURNING nextTask - 1 AS id')
        .get();
      return `T${row?.['id']}`;
    },
    addApproval(approval) {
      const id = Number(db.prepare('SELECT coalesce(max(id), 0) + 1 AS id FROM approvals').get()?.['id']);
      const row = { id, ...approval };
      tables.approvals.insert(row);
      return row;
    },
    wasPinged: (item) => pingGet.get(item) !== undefined,
    pinged() {
      pings ??= new Set(pingAll.all().map((row) => String(row['item'])));
      return pings;
    },
    markPinged(item) {
      pingInsert.run(item, clock.now());
      pings = null;
    },
    dropIdleRalphs(role, wanted) {
      for (const ralph of tables.ralphs.list('WHERE role = ? AND task IS NULL', role)) {
        const n = Number(ralph.name.slice(role.length + 1));
        if (n > wanted) tables.ralphs.remove(ralph.name);
      }
    },
    close: () => db.close(),
  };
}

export type { FleetEvent };
