import { describe, expect, it } from 'vitest';
import {
  aDisk,
  anIteration,
  aRalph,
  aTask,
  aVm,
  aWorld,
  base,
  config,
  looks,
  now,
} from '../../../test/support/rows.ts';
import type { Vm } from '../../domain/vm.ts';
import { plan } from './plan.ts';
import type { GuestSeen, VmSeen, World } from './world.ts';

/** What a person does to VMs behind the fleet's back. */
const second = 1000;
const minute = 60 * second;
const task = aTask({ phase: 'implementing', base, disk: 'image', ralph: 'implementer-1' });
const ralphs = [aRalph({ task: 'T1', vm: '0000000a' }), aRalph({ name: 'reviewer-1', role: 'reviewer' })];

interface Scene {
  vm?: Partial<Vm>;
  seen: VmSeen | null;
  forMs?: number;
  guest?: GuestSeen;
  /** An iteration runs in it. */
  work?: boolean;
  more?: Partial<World>;
}

function scene({ vm = {}, seen, forMs = 20 * second, guest, work = true, more = {} }: Scene): World {
  const world = aWorld({
    tasks: [task],
    ralphs,
    config: { ...config, vms: { ...config.vms, warm: 0 } },
    vms: [aVm({ touched: true, seeded: { work: base }, since: now - 20 * minute, ...vm })],
    iterations: work ? [anIteration()] : [],
    ...more,
  });
  const vms = looks(seen === null ? {} : { '0000000a': seen }, now - forMs);
  const guests = new Map(guest === undefined ? [] : [['0000000a', guest] as const]);
  return { ...world, observed: { ...world.observed, driver: { ok: true, vms }, guests } };
}

const silent = (ms: number): GuestSeen => ({ ok: false, reason: 'no answer', since: now - ms });
const running: GuestSeen = { ok: true, jobs: new Map([['it-1', { state: 'running', streamBytes: 0 }]]) };
const steps = (of: Scene) => plan(scene(of)).steps.map((step) => step.kind);
const step = (of: Scene) => plan(scene(of)).steps[0];
const waits = (of: Scene) => plan(scene(of)).waits.map((wait) => `${wait.subject}: ${wait.reason}`);
const desires = ['up', 'down', 'deleted'] as const;

describe('a VM that was undefined by hand', () => {
  it('is no news before it was seen so for a while', () => {
    expect(steps({ seen: 'partial', forMs: 9 * second, guest: silent(9 * second) })).toEqual([]);
    expect(steps({ seen: 'partial', forMs: 0, work: false, vm: { phase: 'stopped' } })).toEqual(['start_vm']);
  });

  it('is not the doing of the fleet itself: half made, or half removed', () => {
    const at = (vm: Partial<Vm>) => steps({ vm: { since: now - 20 * second, ...vm }, seen: 'partial', work: false });
    expect(at({ phase: 'preparing' })).toEqual(['create_vm']);
    expect(at({ phase: 'deleting' })[0]).toBe('delete_vm');
    // Seen half made until now, and it came to its phase since that look.
    expect(at({ phase: 'starting', since: now - 5 })).toEqual(['start_vm']);
  });

  it('is switched off in the books, defined again, started, and its work saved, whatever the fleet wants', () => {
    for (const desire of desires) {
      const more = { desire };
      expect(step({ seen: 'partial', guest: silent(minute), more })).toMatchObject({
        kind: 'revive_vm',
        data: { reason: 'the VM was found undefined, only its disk is left' },
      });
      const stopped = { phase: 'stopped', failure: 'undefined', since: now - second } as const;
      expect(steps({ vm: stopped, seen: 'partial', more })).toEqual(['redefine_vm']);
      expect(steps({ vm: stopped, seen: 'off', forMs: 0, more })).toEqual(['start_vm']);
      const starting = { ...stopped, phase: 'starting' } as const;
      expect(steps({ vm: starting, seen: 'partial', more })).toEqual(['redefine_vm']);
    }
  });

  it('is given up when that is not to be had within 3 minutes, or happens a second time', () => {
    const failure = 'undefined';
    const since = now - 4 * minute;
    expect(step({ vm: { phase: 'stopped', failure, since }, seen: 'partial', forMs: 4 * minute })).toMatchObject({
      kind: 'fail_vm',
      data: { reason: expect.stringContaining('could not be defined again within 3 minutes') },
    });
    // Long undefined while it waited for room, but only now on its way up: tried first.
    expect(steps({ vm: { phase: 'stopped', failure, since }, seen: 'partial' })).toEqual(['redefine_vm']);
    expect(steps({ vm: { failure }, seen: 'partial' })).toContain('fail_vm');
    expect(steps({ vm: { phase: 'identifying', failure, stage: 'process' }, seen: 'partial' })).toEqual(['fail_vm']);
  });

  it('is replaced when it holds no work', () => {
    for (const phase of ['ready', 'stopped', 'starting', 'identifying'] as const)
      expect(steps({ vm: { phase, stage: 'process' }, seen: 'partial', work: false })).toEqual(['fail_vm']);
    expect(steps({ vm: { purpose: 'reviewer' }, seen: 'partial' })).toContain('fail_vm');
    expect(waits({ seen: 'partial', work: false })).toContain(
      'T1: waits for its implementer VM rf-0000000a, which was found undefined, only its disk is left',
    );
  });

  it('is removed at once when nobody needs it', () => {
    expect(steps({ seen: 'partial', forMs: 0, work: false, more: { desire: 'deleted' } })).toEqual(['delete_vm']);
    expect(steps({ seen: 'partial', work: false, vm: { phase: 'stopped' }, more: { desire: 'down' } })).toEqual([
      'fail_vm',
    ]);
  });

  it('ends a setup that waits for its disk', () => {
    const disk = aDisk({
      key: 'prep',
      kind: 'prepared',
      project: 'p',
      backing: 'image',
      phase: 'building',
      path: null,
    });
    const vm = { purpose: 'setup', prepares: 'prep', task: null, ralph: null, phase: 'stopped' } as const;
    const more = { tasks: [], disks: [aDisk(), disk] };
    expect(steps({ vm, seen: 'off', work: false, more })[0]).toBe('seal_disk');
    for (const seen of ['partial', 'diskless', null] as const)
      expect(steps({ vm, seen, work: false, more })).toContain('fail_vm');
  });
});

describe('a VM whose disk was removed by hand', () => {
  it('has its work saved while its guest still runs, whatever the fleet wants', () => {
    for (const desire of desires) {
      const {
        steps: [only, ...others],
        waits: all,
      } = plan(scene({ seen: 'diskless', guest: running, more: { desire } }));
      expect(only).toMatchObject({ kind: 'end_iteration', data: { stop: true, vmLost: false } });
      expect(others).toEqual([]);
      expect(all).toContainEqual({
        subject: '0000000a',
        reason: 'its disk was removed; its work is saved while it still runs',
      });
    }
  });

  it('keeps an iteration that ended by itself as it ended', () => {
    const guest: GuestSeen = { ok: true, jobs: new Map([['it-1', { state: 'ended', streamBytes: 0 }]]) };
    expect(step({ seen: 'diskless', guest })).toMatchObject({ kind: 'end_iteration', data: { stop: false } });
  });

  it('is given up, and said to be, once its guest is silent or holds nothing', () => {
    const guest = silent(50 * second);
    expect(steps({ seen: 'diskless', guest })).toEqual([]);
    expect(step({ seen: 'diskless', guest: silent(61 * second) })).toMatchObject({
      kind: 'fail_vm',
      data: { reason: 'the VM was found without its disk' },
    });
    expect(steps({ seen: 'diskless', work: false })).toEqual(['fail_vm']);
    expect(steps({ seen: 'diskless', vm: { phase: 'stopped' } })).toEqual(['fail_vm']);
    const failed = { phase: 'failed', failure: 'the VM was found without its disk' } as const;
    expect(step({ seen: 'diskless', vm: failed })).toMatchObject({
      kind: 'end_iteration',
      data: {
        vmLost: true,
        why: 'its VM is failed, what it had not saved is lost: the VM was found without its disk',
      },
    });
  });

  it('is no news before it was seen so for a while', () => {
    expect(steps({ seen: 'diskless', forMs: 9 * second, guest: running })).toEqual([]);
  });
});

describe('a VM that was suspended by hand', () => {
  it('is resumed after a while, and no task is given to it before', () => {
    expect(steps({ seen: 'paused', forMs: 9 * second, guest: silent(9 * second) })).toEqual([]);
    expect(steps({ seen: 'paused', guest: silent(20 * second) })).toEqual(['resume_vm']);
    expect(steps({ seen: 'paused', work: false })).toEqual(['resume_vm']);
    expect(steps({ seen: 'paused', vm: { phase: 'identifying', stage: 'ssh-login', stageSince: now } })).toEqual([
      'resume_vm',
    ]);
  });

  it('is resumed for its work also when the fleet goes down, and stopped as it is without', () => {
    for (const desire of ['down', 'deleted'] as const)
      expect(steps({ seen: 'paused', guest: silent(20 * second), more: { desire } })).toEqual(['resume_vm']);
    expect(steps({ seen: 'paused', work: false, more: { desire: 'down' } })).toEqual(['stop_vm']);
  });

  it('is started again when it cannot be resumed', () => {
    expect(steps({ seen: 'paused', forMs: 11 * minute })).toEqual(['revive_vm']);
    expect(steps({ seen: 'paused', forMs: 11 * minute, work: false })).toEqual(['fail_vm']);
  });
});

describe('a VM that was switched off by hand', () => {
  it('is started again at once for its work, else replaced; no task is given to it', () => {
    expect(steps({ seen: 'off', forMs: 0, guest: silent(second) })).toEqual(['revive_vm']);
    expect(steps({ seen: 'off', forMs: 0, work: false })).toEqual(['fail_vm']);
    expect(steps({ seen: null, work: false })).toEqual(['fail_vm']);
    expect(steps({ seen: null, work: false, vm: { phase: 'stopped' } })).toEqual(['fail_vm']);
  });
});
