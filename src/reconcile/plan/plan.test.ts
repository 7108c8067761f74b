import { describe, expect, it } from 'vitest';
import {
  aDisk,
  anApproval,
  anIteration,
  aRalph,
  aReview,
  aRun,
  aTask,
  aVm,
  aWorld,
  base,
  config,
  head,
  looks,
  now,
} from '../../../test/support/rows.ts';
import { plan } from './plan.ts';
import type { GuestSeen, World } from './world.ts';

function steps(world: World): string[] {
  return plan(world).steps.map((step) => `${step.kind} ${step.key}`);
}

function waits(world: World): string[] {
  return plan(world).waits.map((wait) => `${wait.subject}: ${wait.reason}`);
}

function withGuest(world: World, guest: GuestSeen, vm = '0000000a'): World {
  return { ...world, observed: { ...world.observed, guests: new Map([[vm, guest]]) } };
}

function jobs(...list: [string, 'running' | 'ended' | 'lost'][]): GuestSeen {
  return { ok: true, jobs: new Map(list.map(([id, state]) => [id, { state, streamBytes: 0 }])) };
}

const working = { base, head, disk: 'image', ralph: 'implementer-1' };
const busy = aRalph({ task: 'T1', vm: '0000000a' });
const reviewer = aRalph({ name: 'reviewer-1', role: 'reviewer' });
const pinged = new Set(['approve:T1:1799999940000']);

describe('an idle fleet', () => {
  it('plans nothing', () => {
    expect(plan(aWorld())).toEqual({ steps: [], waits: [] });
    expect(plan(aWorld({ desire: 'down' }))).toEqual({ steps: [], waits: [] });
  });
});

describe('the queue', () => {
  it('gives the oldest of the most urgent to a free implementer', () => {
    const tasks = [
      aTask({ id: 'T1', createdAt: 3 }),
      aTask({ id: 'T2', createdAt: 2 }),
      aTask({ id: 'T3', createdAt: 9, priority: 'high' }),
    ];
    const {
      steps: [step],
    } = plan(aWorld({ tasks }));
    expect(step).toMatchObject({ kind: 'claim_task', data: { task: 'T3', ralph: 'implementer-1' } });
  });

  it('holds back when the person has enough to look at, and says so', () => {
    const waiting = [1, 2, 3].map((n) => aTask({ id: `T${n}`, phase: 'awaiting_approval', head, base }));
    const world = aWorld({ tasks: [...waiting, aTask({ id: 'T9' })] });
    expect(steps(world).filter((step) => step.startsWith('claim'))).toEqual([]);
    expect(waits(world)).toContain('T9: 3 changes wait for your approval, the limit; approve or reject one');
  });

  it('waits for what a task depends on, and is blocked by what will never be merged', () => {
    const on = (phase: 'implementing' | 'cancelled' | 'merged') =>
      steps(
        aWorld({ tasks: [aTask({ id: 'T0', phase, ...working }), aTask({ phase: 'waiting', dependsOn: ['T0'] })] }),
      );
    expect(on('implementing').filter((step) => step.endsWith('T1'))).toEqual([]);
    expect(on('cancelled')).toContain('move_task task:T1');
    expect(on('merged')).toContain('move_task task:T1');
  });

  it('runs on a host with room for one VM', () => {
    expect(steps(aWorld({ tasks: [aTask()], capacity: 1 }))).toContain('claim_task task:T1');
    expect(waits(aWorld({ tasks: [aTask()], capacity: 0 }))[0]).toMatch(/^T1: waits for room/);
  });
});

describe('a claimed task', () => {
  const claimed = aTask({ phase: 'claimed', base, disk: 'image', ralph: 'implementer-1' });
  it('asks for a VM, then its workspace, then the baseline, then starts', () => {
    const at = (more: Partial<World>) => steps(aWorld({ tasks: [claimed], ralphs: [busy, reviewer], ...more }));
    expect(at({})).toEqual(['request_vm task:T1']);
    expect(at({ vms: [aVm()] })).toContain('seed_workspace vm:0000000a');
    const vms = [aVm({ seeded: { work: base } })];
    expect(at({ vms })).toContain('start_checks task:T1');
    const run = aRun({ kind: 'baseline', commit: base, iteration: null, phase: 'failed' });
    expect(at({ vms, checkRuns: [run] })).toContain('move_task task:T1');
  });

  it('takes a warm VM first', () => {
    const vms = [aVm({ purpose: 'warm', task: null, ralph: null })];
    expect(steps(aWorld({ tasks: [claimed], ralphs: [busy, reviewer], vms }))).toContain('request_vm vm:0000000a');
  });

  it('does not touch a workspace whose last iteration is still open', () => {
    const world = aWorld({
      tasks: [{ ...claimed, head }],
      ralphs: [busy, reviewer],
      vms: [aVm({ seeded: { work: base } })],
      iterations: [anIteration()],
    });
    expect(steps(world).filter((step) => step.startsWith('seed'))).toEqual([]);
  });

  it('is blocked when its disk, or the image under it, was given up', () => {
    const image = aDisk({ phase: 'failed', attempts: 3, failure: 'no mirror' });
    const prepared = aDisk({ key: 'prep', kind: 'prepared', backing: 'image', phase: 'wanted', path: null });
    const {
      steps: [step],
    } = plan(aWorld({ tasks: [{ ...claimed, disk: 'prep' }], ralphs: [busy, reviewer], disks: [image, prepared] }));
    expect(step).toMatchObject({
      kind: 'move_task',
      data: { to: 'blocked', reason: 'its disk could not be made: no mirror' },
    });
  });
});

describe('an iteration', () => {
  const task = aTask({ phase: 'implementing', ...working });
  const world = aWorld({
    tasks: [task],
    ralphs: [busy, reviewer],
    vms: [aVm({ touched: true, seeded: { work: base } })],
    iterations: [anIteration()],
  });
  const only = (of: World) => steps(of).filter((step) => step.includes('it:'));

  it('is left alone while it runs, and ended when it ends or is lost', () => {
    expect(only(withGuest(world, jobs(['it-1', 'running'])))).toEqual([]);
    expect(only(withGuest(world, jobs(['it-1', 'ended'])))).toEqual(['end_iteration it:it-1']);
    expect(only(withGuest(world, jobs(['it-1', 'lost'])))).toEqual(['end_iteration it:it-1']);
  });

  it('is started again and again for ten minutes, and then it has failed', () => {
    const decided = (agoMs: number) => {
      const iterations = [anIteration({ phase: 'started', startedAt: now - agoMs })];
      return only(withGuest({ ...world, iterations }, jobs()));
    };
    expect(decided(600_000)).toEqual(['launch_iteration it:it-1']);
    expect(decided(600_001)).toEqual(['end_iteration it:it-1']);
  });

  it('is not begun when the time implementers may work on the task is used up, whatever reviewers took', () => {
    const having = (worked: number) => {
      const limited = { ...task, judged: 'it-1', limits: { ...task.limits, maxDurationMs: 60_000 } };
      const ended = { phase: 'ended', outcome: 'partial', endedAt: now - 1 } as const;
      const first = anIteration({ ...ended, startedAt: now - 1 - worked });
      const review = anIteration({ ...ended, id: 'it-2', role: 'reviewer', startedAt: now - 10_000_000 });
      return plan({ ...world, tasks: [limited], iterations: [first, review] }).steps;
    };
    expect(having(59_999).map(({ kind }) => kind)).toContain('start_iteration');
    expect(having(60_000).map(({ kind }) => kind)).not.toContain('start_iteration');
    expect(having(60_000).find(({ kind }) => kind === 'move_task')).toMatchObject({
      data: { to: 'over_budget', reason: expect.stringContaining('1 min of 1 min') },
    });
  });

  it('is never judged by a guest that cannot be asked', () => {
    const silent = { ok: false, reason: 'no answer', since: now - 1000 } as const;
    expect(steps(withGuest(world, silent)).filter((step) => /end_|fail_|delete_|release_/.test(step))).toEqual([]);
    expect(waits(withGuest(world, silent))).toContain('T1: cannot ask rf-0000000a: no answer');
  });

  it('is stopped, and its VM kept until then, when the fleet goes down or its task is called off', () => {
    for (const more of [
      { desire: 'down' },
      { desire: 'deleted' },
      { tasks: [] },
      { tasks: [{ ...task, phase: 'paused' }] },
    ] as Partial<World>[]) {
      const { steps: all } = plan(withGuest({ ...world, ...more }, jobs(['it-1', 'running'])));
      expect(all.find((step) => step.kind === 'end_iteration')).toMatchObject({ data: { stop: true, vmLost: false } });
      expect(all.filter((step) => ['stop_vm', 'delete_vm', 'release_vm'].includes(step.kind))).toEqual([]);
    }
  });

  it('gets its VM started again when that died, and is only given up when it died twice', () => {
    const died = {
      ...world,
      observed: { ...world.observed, driver: { ok: true, vms: looks({ '0000000a': 'crashed' }) } },
    } as World;
    expect(steps(died)).toContain('revive_vm vm:0000000a');
    expect(only(died)).toEqual([]);
    const twice = { ...died, vms: died.vms.map((vm) => ({ ...vm, failure: 'the VM was found off' })) };
    expect(steps(twice)).toContain('fail_vm vm:0000000a');
    const stopped = {
      ...world,
      desire: 'deleted' as const,
      vms: world.vms.map((vm) => ({ ...vm, phase: 'stopped' as const })),
    };
    expect(steps(stopped)).toEqual(['start_vm vm:0000000a']);
    const failed = { ...world, vms: world.vms.map((vm) => ({ ...vm, phase: 'failed' as const })) };
    expect(plan(failed).steps.find((step) => step.kind === 'end_iteration')).toMatchObject({ data: { vmLost: true } });
  });
});

describe('what the driver says', () => {
  const vms = [aVm({ since: now - 5 })];
  it('does not count when it is older than the row', () => {
    const late = aWorld({
      tasks: [aTask({ phase: 'implementing', ...working })],
      ralphs: [busy, reviewer],
      vms,
      vmStates: { '0000000a': 'off' },
    });
    expect(steps(late).filter((step) => step.startsWith('fail'))).toEqual([]);
  });

  it('yields nothing destructive when it says nothing', () => {
    const world = aWorld({ tasks: [], vms: [aVm(), aVm({ id: '0000000b', phase: 'failed' })] });
    const blind = {
      ...world,
      observed: { ...world.observed, driver: { ok: false, reason: 'no virsh', since: now } },
    } as World;
    expect(steps(blind).filter((step) => /delete|fail_vm|reclaim/.test(step))).toEqual([]);
    expect(waits(blind)).toContain('fleet: the driver cannot say what runs: no virsh');
  });

  it('is reclaimed only when it carries our mark and no row knows it', () => {
    expect(steps(aWorld({ vmStates: { '0000000f': 'running' } }))).toEqual(['reclaim_vm vm:0000000f']);
  });
});

describe('verification', () => {
  const task = aTask({ phase: 'verifying', ...working, ralph: null });
  const verifier = aVm({ purpose: 'verifier', ralph: null, seeded: { work: head } });
  const at = (more: Partial<World>) => steps(aWorld({ tasks: [task], vms: [verifier], ...more }));
  const passed = aRun({ kind: 'verify', iteration: null });

  it('runs as committed, then with the protected files put back, then asks for a review', () => {
    expect(plan(aWorld({ tasks: [task], vms: [verifier] })).steps[0]).toMatchObject({
      data: { variant: 'as-committed', commit: head },
    });
    expect(plan(aWorld({ tasks: [task], vms: [verifier], checkRuns: [passed] })).steps[0]).toMatchObject({
      data: { variant: 'restored' },
    });
    expect(at({ checkRuns: [passed, { ...passed, id: 'ck-2', variant: 'restored' }] })).toContain(
      'request_review task:T1',
    );
  });

  it('never uses a VM that is not clean', () => {
    const broke = { ...passed, phase: 'infra' as const, failure: 'its VM is gone', startedAt: task.since - 1 };
    expect(at({ vms: [{ ...verifier, touched: true }] })).toContain('release_vm vm:0000000a');
    expect(at({ vms: [{ ...verifier, seeded: { work: base } }] })).toContain('release_vm vm:0000000a');
    expect(at({ checkRuns: [broke] })).toContain('release_vm vm:0000000a');
  });

  it('is given up after three broken runs, counted from when it began', () => {
    const broken = (startedAt: number) =>
      [1, 2, 3].map((n) => ({
        ...passed,
        id: `ck-${n}`,
        phase: 'infra' as const,
        vm: 'x',
        failure: 'lost',
        startedAt,
      }));
    expect(plan(aWorld({ tasks: [task], checkRuns: broken(task.since) })).steps[0]).toMatchObject({
      data: { to: 'blocked' },
    });
    expect(at({ vms: [], checkRuns: broken(task.since - 1) })).toContain('request_vm task:T1');
  });

  it('stops asking for VMs that never work', () => {
    const {
      steps: [step],
    } = plan(aWorld({ tasks: [{ ...task, uncounted: 10 }] }));
    expect(step).toMatchObject({ kind: 'move_task', data: { to: 'blocked' } });
  });
});

describe('a review', () => {
  const task = aTask({ phase: 'reviewing', ...working, ralph: null });
  const at = (more: Partial<World>) => plan(aWorld({ tasks: [task], ...more }));

  it('starts in a clean VM with a free reviewer', () => {
    const vm = aVm({ purpose: 'reviewer', ralph: 'reviewer-1', seeded: { work: head } });
    expect(at({ reviews: [aReview()], vms: [vm] }).steps[0]).toMatchObject({
      kind: 'start_iteration',
      data: { review: 'rv-1', ralph: 'reviewer-1' },
    });
    expect(at({ reviews: [aReview()], vms: [{ ...vm, touched: true }] }).steps[0]).toMatchObject({
      kind: 'release_vm',
    });
  });

  it('goes where the verdict says', () => {
    const to = (phase: 'approved' | 'changes_requested' | 'inconclusive', more = {}) =>
      at({ reviews: [aReview({ phase, attempts: 2, ...more })] }).steps[0];
    expect(to('approved')).toMatchObject({ data: { to: 'awaiting_approval' } });
    expect(to('changes_requested')).toMatchObject({ data: { to: 'ready' } });
    expect(to('changes_requested', { round: 3 })).toMatchObject({ data: { to: 'awaiting_approval' } });
    expect(to('inconclusive')).toMatchObject({ data: { to: 'awaiting_approval' } });
  });
});

describe('approval', () => {
  const task = aTask({ phase: 'awaiting_approval', ...working, ralph: null });
  it('moves on only for the very commit', () => {
    const at = (more: Partial<World>) => steps(aWorld({ tasks: [task], pinged, ...more }));
    expect(at({})).toEqual([]);
    expect(at({ approvals: [anApproval()] })).toEqual(['move_task task:T1']);
    expect(at({ approvals: [anApproval({ commit: base })] })).toEqual([]);
    expect(at({ approvals: [anApproval({ decision: 'reject', state: 'used' })] })).toEqual([]);
  });

  it('pings once', () => {
    expect(steps(aWorld({ tasks: [task] }))).toEqual(['ping ping:approve:T1:1799999940000']);
  });
});

describe('disks', () => {
  const prepared = aDisk({
    key: 'prep',
    kind: 'prepared',
    project: 'p',
    backing: 'image',
    commit: base,
    phase: 'failed',
    path: null,
    attempts: 1,
    since: now - 60_000,
  });
  const vm = aVm({ purpose: 'setup', task: null, ralph: null, prepares: 'prep' });
  it('are tried again, and a new setup VM is not given back at once', () => {
    expect(steps(aWorld({ disks: [aDisk(), prepared] }))).toEqual(['request_vm disk:prep']);
    expect(steps(aWorld({ disks: [aDisk(), { ...prepared, phase: 'building' }], vms: [vm] }))).toEqual([
      'seed_workspace vm:0000000a',
    ]);
    expect(steps(aWorld({ disks: [aDisk(), { ...prepared, attempts: 3 }] }))).toEqual([]);
  });
});

describe('down', () => {
  it('stops implementers, removes the rest, and `deleted` removes all', () => {
    const vms = [aVm({ task: 'T1' }), aVm({ id: '0000000b', purpose: 'verifier', task: 'T2' })];
    const tasks = [
      aTask({ phase: 'implementing', ...working }),
      aTask({ id: 'T2', phase: 'verifying', head, base, disk: 'image' }),
    ];
    const at = (desire: 'down' | 'deleted') => steps(aWorld({ desire, vms, tasks, ralphs: [busy, reviewer] }));
    expect(at('down')).toEqual(['stop_vm vm:0000000a', 'delete_vm vm:0000000b']);
    expect(at('deleted')).toEqual(['delete_vm vm:0000000a', 'delete_vm vm:0000000b']);
  });
});

describe('warm VMs', () => {
  it('are given up when their room is needed', () => {
    const warm = aVm({ id: '0000000b', purpose: 'warm', task: null, ralph: null, disk: 'other' });
    const claimed = aTask({ phase: 'claimed', base, disk: 'image', ralph: 'implementer-1' });
    const world = aWorld({
      tasks: [claimed],
      ralphs: [busy, reviewer],
      vms: [warm],
      disks: [aDisk(), aDisk({ key: 'other' })],
      capacity: 2,
      config,
    });
    expect(steps(world)).toEqual(['release_vm vm:0000000b']);
  });
});
