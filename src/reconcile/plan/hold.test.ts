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
import type { HostLook } from '../../domain/host.ts';
import type { Iteration } from '../../domain/iteration.ts';
import { findPressure } from '../../domain/pressure.ts';
import type { Vm } from '../../domain/vm.ts';
import { plan } from './plan.ts';
import type { VmSeen, World } from './world.ts';

const task = aTask({ phase: 'implementing', base, disk: 'image', ralph: 'implementer-1' });
const roomyMiB = 90_000;

interface Scene {
  diskMiB?: number;
  memoryMiB?: number;
  ballast?: boolean;
  vm?: Partial<Vm>;
  it?: Partial<Iteration>;
  seen?: VmSeen;
  job?: 'running' | 'ended';
  more?: Partial<World>;
}

function scene({
  diskMiB = roomyMiB,
  memoryMiB = roomyMiB,
  ballast = true,
  vm = {},
  it: of = {},
  seen,
  job = 'running',
  more = {},
}: Scene) {
  const vms = [aVm({ touched: true, seeded: { work: base }, since: now - 300_000, ...vm })];
  const world = aWorld({
    tasks: [task],
    ralphs: [aRalph({ task: 'T1', vm: '0000000a' }), aRalph({ name: 'reviewer-1', role: 'reviewer' })],
    config: { ...config, vms: { ...config.vms, warm: 0 } },
    vms,
    iterations: [anIteration({ startedAt: now - 300_000, savedAt: now - 120_000, ...of })],
    ...more,
  });
  const look: HostLook = {
    cores: 4,
    memory: { totalMiB: roomyMiB, availableMiB: memoryMiB, stalledPercent: 0 },
    disks: [{ path: '/state', uses: ['state', 'vms', 'images'], freeMiB: diskMiB }],
    hasBallast: ballast,
  };
  const found = findPressure(
    look,
    world.config.host,
    vms.some((one) => one.phase === 'paused'),
  );
  const host = { ...look, residentMiB: new Map<string, number>(), pressure: found && { ...found, since: now - 5_000 } };
  const jobs = new Map([['it-1', { state: job, streamBytes: 0 }]]);
  const guests = vms[0]?.phase === 'ready' ? new Map([['0000000a', { ok: true as const, jobs }]]) : new Map();
  const states = Object.fromEntries(world.vms.map((one) => [one.id, seen ?? ('running' as const)]));
  const driver = { ok: true as const, vms: looks(states) };
  return plan({ ...world, observed: { ...world.observed, host, guests, driver } });
}

const steps = (of: Scene) =>
  scene(of)
    .steps.map((step) => step.kind)
    .filter((kind) => kind !== 'ping');
const waits = (of: Scene) => scene(of).waits.map((wait) => `${wait.subject}: ${wait.reason}`);
const frozen = { phase: 'paused' } as const;
const saved = { savedAt: now - 10_000 };

describe('a disk that fills', () => {
  it('is no reason to do anything while there is room', () => {
    expect(steps({ it: saved })).toEqual([]);
  });

  it('frees the ballast and has work saved first, then freezes the VM', () => {
    expect(steps({ diskMiB: 1900 })).toEqual(['free_ballast', 'save_work']);
    expect(steps({ diskMiB: 1900, ballast: false, it: saved })).toEqual(['hold_vm']);
  });

  it('that is full freezes it at once', () => {
    expect(steps({ diskMiB: 300, ballast: false })).toContain('hold_vm');
  });

  it('pings the person, once for as long as it lasts', () => {
    const pings = scene({ diskMiB: 1900 }).steps.filter((step) => step.kind === 'ping');
    expect(pings.map((step) => step.data)).toMatchObject([{ item: { kind: 'mend', id: `mend:disk:${now - 5_000}` } }]);
  });

  it('lets an iteration that has ended be taken to the host before its VM is frozen', () => {
    expect(steps({ diskMiB: 1900, ballast: false, job: 'ended', it: saved })).toEqual(['end_iteration']);
  });

  it('leaves a frozen VM as it is, for as long as it takes, and says so', () => {
    const long = { ...frozen, since: now - 3_600_000 };
    const at = { diskMiB: 1900, ballast: false, vm: long, seen: 'paused' as const };
    expect(steps(at)).toEqual([]);
    expect(waits(at)[0]).toMatch(/^0000000a: it is frozen: the disk of the state folder is almost full/);
  });

  it('freezes again what somebody resumed', () => {
    expect(steps({ diskMiB: 1900, ballast: false, vm: frozen, seen: 'running' })).toEqual(['hold_vm']);
  });

  it('makes the ballast again and thaws once there is room, not a moment before', () => {
    expect(steps({ diskMiB: 3071, ballast: false, vm: frozen, seen: 'paused' })).toEqual([]);
    expect(steps({ diskMiB: 3072, ballast: false, vm: frozen, seen: 'paused' })).toEqual(['make_ballast', 'resume_vm']);
  });

  it('thaws what is to go down, so that its work is saved', () => {
    const at = { diskMiB: 1900, ballast: false, vm: frozen, seen: 'paused' } as const;
    expect(steps({ ...at, more: { desire: 'down' } })).toEqual(['resume_vm']);
    expect(steps({ ...at, more: { tasks: [{ ...task, phase: 'paused' }] } })).toEqual(['resume_vm']);
    expect(steps({ ...at, vm: {}, seen: 'running', more: { desire: 'down' } })).toEqual(['end_iteration']);
  });

  it('begins nothing: no claim, no image, no VM for later', () => {
    const disks = [aDisk(), aDisk({ key: 'next', phase: 'wanted' })];
    const more = {
      tasks: [aTask()],
      iterations: [],
      vms: [],
      disks,
      ralphs: [aRalph(), aRalph({ name: 'reviewer-1', role: 'reviewer' })],
    };
    expect(steps({ diskMiB: 1900, ballast: false, more })).toEqual([]);
    expect(waits({ diskMiB: 1900, ballast: false, more }).join('\n')).toMatch(/T1: waits for room: the disk .*\n?/);
    expect(steps({ more })).toEqual(['build_image', 'claim_task']);
  });

  it('gives back warm VMs and templates on their way', () => {
    const vms = ['warm', 'template'].map((purpose, n) =>
      aVm({ id: `0000000${n}`, purpose: purpose as 'warm', task: null, ralph: null, touched: false }),
    );
    const kinds = steps({ diskMiB: 1900, ballast: false, more: { tasks: [], iterations: [], vms } });
    expect(kinds.filter((kind) => kind === 'release_vm')).toHaveLength(2);
    expect(kinds).not.toContain('hold_vm');
  });
});

describe('memory', () => {
  it('that is short freezes too; the ballast stays', () => {
    expect(steps({ memoryMiB: 300, it: saved })).toEqual(['hold_vm']);
  });

  it('that runs low lets work go on, and begins nothing', () => {
    expect(steps({ memoryMiB: 900, it: saved })).toEqual([]);
  });
});

describe('admission', () => {
  const queued = {
    tasks: [aTask()],
    iterations: [],
    vms: [],
    ralphs: [aRalph(), aRalph({ name: 'reviewer-1', role: 'reviewer' })],
  };
  const need = 512 + 200;

  it('keeps the verifier’s room, in memory that is free now', () => {
    expect(steps({ memoryMiB: 1024 + 2 * need, more: queued })).toEqual(['claim_task']);
    expect(steps({ memoryMiB: 1024 + need - 1, more: queued })).toEqual([]);
    expect(waits({ memoryMiB: 1024 + need - 1, more: queued })).toContain(
      "T1: waits for room: 0 VMs fit on this host now (1.7 GiB of memory free), one verifier's room is kept free",
    );
  });

  it('lets VMs take turns where only one fits', () => {
    expect(steps({ memoryMiB: 1024 + need, more: queued })).toEqual(['claim_task']);
  });

  it('counts a VM from the moment it is asked for', () => {
    const vms = [
      aVm({
        id: '0000000b',
        task: 'T9',
        phase: 'wanted',
        purpose: 'reviewer',
        size: { cpus: 1, memoryMiB: 2048, diskGiB: 4 },
      }),
    ];
    const more = { ...queued, vms };
    expect(steps({ memoryMiB: 1024 + 2248 + 2 * need, more })).toContain('claim_task');
    expect(steps({ memoryMiB: 1024 + 2248 + 2 * need - 1, more })).not.toContain('claim_task');
  });

  it('says what fleet.yaml asks for beyond what the host has', () => {
    const more = { config: { ...config, roles: { implementer: 200, reviewer: 1 } } };
    expect(waits({ more }).find((wait) => wait.startsWith('host: '))).toMatch(
      /^host: 202 VMs of 512 MiB are asked for, 12 fit on 4 cores/,
    );
  });
});
