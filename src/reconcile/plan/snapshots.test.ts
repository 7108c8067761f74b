import { describe, expect, it } from 'vitest';
import {
  aDisk,
  anIteration,
  aRalph,
  aRun,
  aSnapshot,
  aTask,
  aVm,
  aWorld,
  base,
  config,
  head,
  now,
} from '../../../test/support/rows.ts';
import type { Task } from '../../domain/task.ts';
import { plan } from './plan.ts';
import type { Step, StepKind } from './step.ts';
import type { World } from './world.ts';

const working: Partial<Task> = { phase: 'implementing', base, head, disk: 'image', ralph: 'implementer-1' };
const ended = anIteration({ phase: 'ended', outcome: 'partial', savedCommit: head, endedAt: now - 100 });
const keeping = { ...config, vms: { ...config.vms, snapshots: 2 } };

/** Its iteration has ended, and nothing was done about it yet. */
function afterIteration(more: Partial<World> = {}, task: Partial<Task> = {}): World {
  const tasks = [aTask({ ...working, ...task })];
  const ralphs = [aRalph({ task: 'T1', vm: '0000000a' })];
  const vms = [aVm({ seeded: { work: base } })];
  return aWorld({ config: keeping, tasks, ralphs, vms, iterations: [ended], ...more });
}

function of<K extends StepKind>(world: World, kind: K): Extract<Step, { kind: K }>[] {
  return plan(world).steps.filter((step): step is Extract<Step, { kind: K }> => step.kind === kind);
}
const kinds = (world: World) => plan(world).steps.map((step) => step.kind);
const waits = (world: World) => plan(world).waits.map(({ reason }) => reason);

describe('after an iteration', () => {
  it('a snapshot comes before the checks, once', () => {
    expect(of(afterIteration(), 'want_snapshot').map(({ data }) => data)).toEqual([
      { iteration: 'it-1', vm: '0000000a' },
    ]);
    expect(kinds(afterIteration())).not.toContain('start_checks');
    const wanted = afterIteration({ snapshots: [aSnapshot({ phase: 'wanted' })] });
    expect(of(wanted, 'take_snapshot').map(({ key }) => key)).toEqual(['vm:0000000a']);
    expect(kinds(wanted)).not.toContain('start_checks');
    for (const phase of ['ready', 'failed'] as const) {
      const taken = kinds(afterIteration({ snapshots: [aSnapshot({ phase })] }));
      expect([taken.includes('want_snapshot'), taken.includes('start_checks')]).toEqual([false, true]);
    }
  });

  it.each<[string, World]>([
    ['none is asked for', afterIteration({ config })],
    ['nothing was saved', afterIteration({ iterations: [{ ...ended, savedCommit: null }] })],
    ['its VM is gone', afterIteration({ vms: [] })],
    ['its checks run', afterIteration({ checkRuns: [aRun({ kind: 'loop', phase: 'running', iteration: 'it-1' })] })],
  ])('none is taken where %s', (_, world) => {
    expect(kinds(world)).not.toContain('want_snapshot');
  });
});

describe('a snapshot', () => {
  const kept = (more: Parameters<typeof aSnapshot>[0] = {}, world: Partial<World> = {}, task: Partial<Task> = {}) => {
    const snapshot = aSnapshot({ since: now - 50_000, ...more });
    const all = afterIteration({ snapshots: [snapshot], ...world }, task);
    return { ...all, observed: { ...all.observed, snapshots: new Map([[snapshot.id, true]]) } };
  };
  const dropped = (world: World) => of(world, 'drop_snapshot').map(({ data, reason }) => [data.snapshot, reason]);

  it('stays with its task, and goes with it', () => {
    expect(dropped(kept())).toEqual([]);
    for (const phase of ['merged', 'cancelled'] as const)
      expect(dropped(kept({}, {}, { phase }))).toEqual([['5a9e0001', 'T1 has ended']]);
    expect(dropped(kept({}, {}, { phase: 'failed' }))).toEqual([]);
    expect(dropped(kept({}, { desire: 'deleted' }))).toEqual([['5a9e0001', 'the fleet is removed']]);
  });

  it('goes when the disk fills, the last good one of its task never; and none is taken then', () => {
    const short = (freeMiB: number): Partial<World['observed']> => ({
      host: {
        ...{ cores: 4, memory: null, hasBallast: false, residentMiB: new Map() },
        disks: [{ path: '/d', uses: ['state', 'vms', 'images'], freeMiB }],
        pressure: { of: 'disk', level: 'short', what: 'full', freeMiB, neededMiB: 3000, since: now },
      },
    });
    const snapshots = [1, 2, 3].map((n) =>
      aSnapshot({ id: `5a9e000${n}`, n, iteration: `it-${n}`, since: now - 50_000 }),
    );
    const checkRuns = [aRun({ kind: 'loop', phase: 'passed', iteration: 'it-1' })];
    const at = (freeMiB: number, more: Partial<World> = {}, task: Partial<Task> = {}) => {
      const world = afterIteration({ snapshots, checkRuns, ...more }, task);
      const seen = new Map(snapshots.map(({ id }) => [id, true]));
      return { ...world, observed: { ...world.observed, ...short(freeMiB), snapshots: seen } };
    };
    const gone = (world: World) => dropped(world).map(([id]) => id);
    expect(gone(at(2000))).toEqual(['5a9e0002', '5a9e0003']);
    expect(gone(at(2000, { checkRuns: [] }))).toEqual(['5a9e0001', '5a9e0002']);
    // Another disk is short.
    expect(gone(at(4000))).toEqual([]);
    // Which of them were good is in no row here any more.
    expect(gone(at(2000, { checkRuns: [] }, { phase: 'failed' }))).toEqual([]);
    expect(kinds(at(2000, { snapshots: [], checkRuns: [] }))).not.toContain('want_snapshot');
    expect(kinds(at(4000, { snapshots: [], checkRuns: [] }))).toContain('want_snapshot');
  });

  it('that was never taken goes with its VM', () => {
    expect(dropped(kept({ phase: 'wanted' }, { vms: [] }))).toEqual([['5a9e0001', 'its VM is gone']]);
    expect(dropped(kept({ phase: 'wanted' }))).toEqual([]);
  });

  it('whose file is gone is forgotten; a file of nobody’s is removed; unknown is not gone', () => {
    const world = kept();
    const seen = (snapshots: World['observed']['snapshots']) => ({
      ...world,
      observed: { ...world.observed, snapshots },
    });
    expect(dropped(seen(new Map()))).toEqual([['5a9e0001', 'its file is gone']]);
    expect(dropped(seen(null))).toEqual([]);
    expect(
      dropped(
        seen(
          new Map([
            ['5a9e0001', true],
            ['0badf11e', false],
          ]),
        ),
      ),
    ).toEqual([['0badf11e', 'nothing asked for it']]);
    expect(dropped({ ...seen(new Map()), snapshots: [aSnapshot({ since: now })] })).toEqual([]);
  });

  it('holds the disk it stands on', () => {
    const tasks = [aTask({ phase: 'failed' })];
    const world = aWorld({ tasks, vms: [], disks: [aDisk({ phase: 'leaving' })], snapshots: [aSnapshot()] });
    expect(kinds(world)).not.toContain('drop_disk');
    expect(waits(world)).toContain('is removed once the snapshot s-5a9e0001 is gone');
  });
});

describe('a clone', () => {
  const origin = { snapshot: '5a9e0001', vm: '0000000a', task: 'T1', n: 1, commit: head };
  const clone = aVm({
    id: '0000000c',
    purpose: 'clone',
    task: null,
    ralph: null,
    phase: 'wanted',
    since: now - 900_000,
    origin,
  });
  const snapshot = aSnapshot({ why: 'clone' });
  const world = (more: Partial<World> = {}) =>
    aWorld({ tasks: [], vms: [clone], snapshots: [snapshot], capacity: 3, ...more });

  it('is made once its snapshot is there and there is room, however long that took', () => {
    expect(of(world(), 'create_vm').map(({ data }) => data.vm)).toEqual(['0000000c']);
    const waiting = world({ snapshots: [{ ...snapshot, phase: 'wanted' }], vms: [clone, aVm({ task: null })] });
    expect(of(waiting, 'create_vm')).toEqual([]);
    expect(waits(waiting)).toContain('waits for the snapshot of rf-0000000a that it is made of');
    const full = world({ capacity: 2, vms: [clone, aVm({ task: null, purpose: 'clone' })] });
    expect(waits(full)).toContain("waits for room: 2 VMs fit on this host, one verifier's room is kept free");
    expect(of(full, 'create_vm')).toEqual([]);
  });

  it('without its snapshot has failed', () => {
    const failed = { ...snapshot, phase: 'failed' as const, failure: 'no room' };
    const [step] = of(world({ snapshots: [failed] }), 'fail_vm');
    expect(step?.data.reason).toBe('what it was to be a copy of could not be kept: no room');
    expect(of(world({ snapshots: [] }), 'fail_vm')[0]?.data.reason).toContain('its snapshot is gone');
  });

  it('lets go of its snapshot when its disk is made; itself it stays until it is deleted', () => {
    const made = world({ vms: [{ ...clone, phase: 'ready', since: now - 60_000 }] });
    expect(of(made, 'drop_snapshot')).toHaveLength(1);
    expect(kinds(made)).not.toContain('release_vm');
    expect(of(world({ vms: [{ ...clone, phase: 'preparing', since: now - 10 }] }), 'drop_snapshot')).toEqual([]);
  });
});

describe('a task that was put back', () => {
  const rewind = { to: 1, commit: head, snapshot: '5a9e0001', isDone: false };
  const back = (more: Partial<World> = {}, task: Partial<Task> = {}) =>
    aWorld({
      tasks: [aTask({ ...working, phase: 'ready', ralph: null, rewind, ...task })],
      snapshots: [aSnapshot()],
      capacity: 4,
      ...more,
    });

  it('goes back once nothing runs for it, before anybody takes it', () => {
    expect(kinds(back({ vms: [] }))).toEqual(['rewind_task']);
    const busy = back({ vms: [aVm()], iterations: [anIteration()] });
    expect(kinds(busy)).not.toContain('rewind_task');
    expect(waits(busy)).toContain('goes back to iteration 1 once what runs for it is saved');
    expect(kinds(back({ vms: [] }, { phase: 'cancelled' }))).not.toContain('rewind_task');
  });

  it('gets a VM with the disk of then, or a fresh one where that is gone', () => {
    const claimed = { phase: 'claimed' as const, ralph: 'implementer-1', rewind: { ...rewind, isDone: true } };
    const [asked] = of(back({ vms: [] }, claimed), 'request_vm');
    const origin = { snapshot: '5a9e0001', vm: '0000000a', task: 'T1', n: 1, commit: head };
    expect(asked?.data).toMatchObject({ purpose: 'implementer', disk: 'image', way: 'boot', warm: null, origin });
    const [fresh] = of(back({ vms: [], snapshots: [] }, claimed), 'request_vm');
    expect([fresh?.data.purpose, fresh?.data.origin]).toEqual(['implementer', undefined]);
    const warm = aVm({ id: '0000000b', purpose: 'warm', task: null, ralph: null });
    expect(of(back({ vms: [warm] }, claimed), 'request_vm')[0]?.data.warm).toBe(null);
  });
});
