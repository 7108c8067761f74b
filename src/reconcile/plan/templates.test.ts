import { describe, expect, it } from 'vitest';
import {
  aDisk,
  anIteration,
  aProject,
  aRalph,
  aTask,
  aVm,
  aWorld,
  base,
  head,
  now,
} from '../../../test/support/rows.ts';
import { plan } from './plan.ts';
import type { Step, StepKind } from './step.ts';
import type { World } from './world.ts';

const working = { base, head, disk: 'image', ralph: 'implementer-1' };
const busy = aRalph({ task: 'T1', vm: '0000000a' });
const template = aVm({ id: '0000000e', purpose: 'template', project: null, task: null, ralph: null });

/** A task at work in its VM, on a disk whose templates are as given. */
function atWork(templates: readonly string[] | null, more: Partial<World> = {}): World {
  const tasks = [aTask({ ...working, phase: 'implementing' })];
  const world = aWorld({ tasks, vms: [aVm()], ralphs: [busy], iterations: [anIteration()], capacity: 6, ...more });
  const asSet = templates === null ? null : new Set(templates);
  return { ...world, observed: { ...world.observed, templates: asSet } };
}

function atRest(more: Partial<World> = {}): World {
  const world = aWorld({ projects: [], capacity: 6, ...more });
  return { ...world, observed: { ...world.observed, templates: new Set() } };
}

function of<K extends StepKind>(world: World, kind: K): Extract<Step, { kind: K }>[] {
  return plan(world).steps.filter((step): step is Extract<Step, { kind: K }> => step.kind === kind);
}

const asked = (world: World) => of(world, 'request_vm').map(({ data }) => `${data.purpose} ${data.disk} ${data.way}`);

describe('a template', () => {
  it('is booted beside the first VM of a disk, once that works', () => {
    expect(asked(atWork([]))).toEqual(['template image boot']);
    expect(asked(atWork(['another']))).toEqual(['template image boot']);
  });

  it('is not wanted where there is one, or none can be had: then a warm VM is', () => {
    expect(asked(atWork(['image']))).toEqual(['warm image fork']);
    expect(asked(atWork(null))).toEqual(['warm image boot']);
  });

  it('waits while another VM starts, the fleet is paused or down, or there is no room', () => {
    const starting = aVm({ id: '0000000b', task: 'T2', phase: 'identifying', stage: 'guest-agent' });
    expect(asked(atWork([], { vms: [aVm(), starting] }))).toEqual([]);
    expect(asked(atWork([], { paused: true }))).toEqual([]);
    expect(asked(atWork([], { desire: 'down' }))).toEqual([]);
    expect(asked(atWork([], { capacity: 2 }))).toEqual([]);
  });

  it('is asked for once', () => {
    expect(asked(atWork([], { vms: [aVm(), { ...template, phase: 'stopping', desired: 'ready' }] }))).toEqual([]);
  });

  it('is not asked for again before a look that can see the one just saved', () => {
    const saved = { ...template, phase: 'deleting', desired: 'gone' } as const;
    expect(asked(atWork([], { vms: [aVm(), { ...saved, since: now - 5 }] }))).toEqual([]);
    expect(asked(atWork([], { vms: [aVm(), { ...saved, since: now - 50 }] }))).toEqual(['template image boot']);
  });

  it('is saved when its VM is ready, and given up for one that is there or for its room', () => {
    const vms = [aVm(), template];
    expect(of(atWork([], { vms }), 'save_template').map((step) => step.data.vm)).toEqual([template.id]);
    expect(of(atWork(['image'], { vms }), 'release_vm').map((step) => step.reason)).toEqual(['there is a template']);
    const queued = aTask({ id: 'T2', phase: 'ready' });
    const more = aRalph({ name: 'implementer-2' });
    const tasks = [aTask({ ...working, phase: 'implementing' }), queued];
    const full = atWork([], { vms, tasks, ralphs: [busy, more], capacity: 3 });
    expect(of(full, 'release_vm').map((step) => step.reason)).toEqual(['its room is needed']);
    expect(of(full, 'save_template')).toEqual([]);
  });

  it('is not tried again at once after it came to nothing', () => {
    const failed = (forkFailures: number, agoMs: number) =>
      asked(atWork([], { disks: [aDisk({ forkFailures, forkFailedAt: now - agoMs })] }));
    expect(failed(1, 59_000)).toEqual(['warm image boot']);
    expect(failed(1, 60_000)).toEqual(['template image boot']);
    expect(failed(3, 239_000)).toEqual(['warm image boot']);
    expect(failed(3, 240_000)).toEqual(['template image boot']);
  });

  it('is made at rest of what the next task will start from', () => {
    expect(asked(atRest())).toEqual(['template image boot']);
    const settings = { ...aProject().settings, setup: { run: 'make', inputs: [], timeoutSeconds: 1 } };
    const prepared = aDisk({ key: 'prep', kind: 'prepared', project: 'p', backing: 'image' });
    const disks = [aDisk(), { ...prepared, key: 'old', since: 1 }, prepared];
    expect(asked(atRest({ projects: [aProject({ settings })], disks }))).toEqual(['template prep boot']);
    expect(asked(atRest({ projects: [aProject({ settings })] }))).toEqual([]);
    expect(asked(atRest({ disks: [aDisk({ key: 'older image' })] }))).toEqual([]);
    expect(asked(atRest({ disks: [aDisk({ forkFailures: 1, forkFailedAt: 1 })] }))).toEqual([]);
    expect(asked(atRest({ desire: 'down' }))).toEqual([]);
  });
});

describe('a VM on a disk with a template', () => {
  const verifying = { tasks: [aTask({ ...working, phase: 'verifying' })], vms: [], ralphs: [aRalph()], iterations: [] };

  it('is forked', () => {
    expect(asked(atWork(['image'], verifying))).toEqual(['verifier image fork']);
    expect(asked(atWork([], verifying))).toEqual(['verifier image boot']);
    expect(asked(atWork(null, verifying))).toEqual(['verifier image boot']);
  });

  it('boots for a while after forks came to nothing', () => {
    const disks = [aDisk({ forkFailures: 1, forkFailedAt: now - 1000 })];
    expect(asked(atWork(['image'], { ...verifying, disks }))).toEqual(['verifier image boot']);
  });

  it('waits for a template that is on its way and gets on, and for no other', () => {
    const coming = (more: Partial<typeof template>) => atWork([], { ...verifying, vms: [{ ...template, ...more }] });
    const booting = {
      phase: 'identifying',
      stage: 'guest-agent',
      since: now - 50_000,
      stageSince: now - 50_000,
    } as const;
    expect(asked(coming(booting))).toEqual([]);
    expect(plan(coming(booting)).waits.map((wait) => wait.reason)).toContainEqual(
      'waits for rf-0000000e, the template its verifier VM is forked from (identifying)',
    );
    expect(asked(coming({ ...booting, stageSince: now - 60_000, since: now - 60_000 }))).toEqual([
      'verifier image boot',
    ]);
    expect(asked(coming({ ...booting, disk: 'another' }))).toEqual(['verifier image boot']);
    expect(asked(coming({ ...booting, phase: 'failed' }))).toEqual(['verifier image boot']);
  });

  it('waits for the look that sees a template just saved', () => {
    const saved = { ...template, phase: 'stopping', desired: 'gone' } as const;
    expect(asked(atWork([], { ...verifying, vms: [{ ...saved, since: now - 5 }] }))).toEqual([]);
    expect(asked(atWork([], { ...verifying, vms: [{ ...saved, since: now - 50 }] }))).toEqual(['verifier image boot']);
  });
});

describe('a fork', () => {
  const started = { phase: 'wanted', way: 'fork', since: now - 1000, hostKey: null } as const;
  const steps = (vm: Partial<ReturnType<typeof aVm>>, accel: 'kvm' | 'tcg' = 'kvm') => {
    const world = atWork(['image'], { vms: [aVm(vm)], iterations: [] });
    const seen = new Map([['0000000a', { state: 'running' as const, since: now - 1000 }]]);
    const observed = { ...world.observed, accel, driver: { ok: true as const, vms: seen } };
    const all = plan({ ...world, observed }).steps;
    return all.filter((step) => step.key === 'vm:0000000a').map((step) => step.kind);
  };

  it('is made in one step, and boots instead once that came to nothing', () => {
    expect(steps(started)).toEqual(['fork_vm']);
    expect(steps({ ...started, phase: 'preparing' })).toEqual(['fork_vm']);
    expect(steps({ ...started, phase: 'preparing', failure: 'no template' })).toEqual(['unfork_vm']);
    expect(steps({ ...started, phase: 'preparing', way: 'boot' })).toEqual(['create_vm']);
  });

  it('that does not get its identity in time, or a wrong one, boots instead', () => {
    const identifying = { ...started, phase: 'identifying', stage: 'identity' } as const;
    expect(steps({ ...identifying, stageSince: now - 19_000 })).toEqual(['probe_vm']);
    expect(steps({ ...identifying, stageSince: now - 21_000 })).toEqual(['unfork_vm']);
    expect(steps({ ...identifying, stageSince: now - 59_000 }, 'tcg')).toEqual(['probe_vm']);
    expect(steps({ ...identifying, stageSince: now - 61_000 }, 'tcg')).toEqual(['unfork_vm']);
    expect(steps({ ...identifying, stageSince: now, failure: 'a twin' })).toEqual(['unfork_vm']);
    expect(steps({ ...identifying, way: 'boot', stageSince: now - 21_000 })).toEqual(['fail_vm']);
  });

  it('that was started again with work on its disk is never taken for a new one', () => {
    const revived = { phase: 'identifying', way: 'boot', stage: 'process', failure: 'it was found off' } as const;
    expect(steps({ ...revived, stageSince: now })).toEqual(['probe_vm']);
    expect(steps({ ...revived, way: 'fork', touched: true, stageSince: now })).toEqual(['fail_vm']);
  });
});
