import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createBallast } from '../../src/host/ballast.ts';
import { createHostLook } from '../../src/host/look.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec } from '../../src/lib/exec.ts';
import { type BlankFleet, createBlankFleet, putToWork } from '../support/blank-fleet.ts';
import { type BlankVms, createBlankVms } from '../support/blank-vms.ts';
import { until } from '../support/gateway-process.ts';

/** A Ralph at work in a real VM, on a host whose disk (a small one of the test's own, for the state folder) fills and empties. */
const id = '0c4a0503';
const exec = createExec();
const clock = createSystemClock();
/** 20 MiB are kept free, 5 of them as ballast. */
const keep = { keepFreeDiskGiB: 20 / 1024, keepFreeMemoryMiB: 0 };
let vms: BlankVms;
let fleet: BlankFleet;
let disk: string;

beforeEach(async () => {
  vms = await createBlankVms();
  disk = join(vms.root, 'small');
  await mkdir(disk);
  await exec(['mount', '-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk]);
  const driver = vms.driver();
  await driver.create(vms.spec(id));
  await driver.start(id);
  const host = createHostLook({ ...vms.paths, state: disk, ballast: join(disk, 'ballast') });
  const ballast = createBallast({ path: join(disk, 'ballast'), exec });
  const guests = { jobs: async () => [{ id: 'it-1', state: 'running' as const, streamBytes: 0, end: null }] };
  fleet = createBlankFleet({ vms, clock, guests, host: { host, ballast, keep } });
  putToWork(fleet.store, id, clock.now());
  fleet.control.runner.start();
});
afterEach(async () => {
  await fleet?.stop();
  await exec(['umount', disk]);
  await vms?.close();
});

const see = (what: string, ask: () => boolean | Promise<boolean>) => until(what, ask, 120_000);
const phase = () => fleet.store.vms.mustGet(id).phase;
const hasBallast = () =>
  stat(join(disk, 'ballast')).then(
    () => true,
    () => false,
  );

test('its VM is frozen, in libvirt too, and goes on by itself once there is room; the iteration has lost no time', async () => {
  await see('the ballast', hasBallast);
  expect(await vms.state(id)).toBe('running');
  const { deadline } = fleet.store.iterations.mustGet('it-1');
  const began = clock.now();
  await exec(['fallocate', '-l', '50MiB', join(disk, 'other')]);
  await see('frozen', () => phase() === 'paused');
  expect(await vms.state(id)).toBe('paused');
  expect(await hasBallast()).toBe(false);
  await rm(join(disk, 'other'));
  await see('thawed', () => phase() === 'ready');
  expect(await vms.state(id)).toBe('running');
  await see('the ballast again', hasBallast);
  const after = fleet.store.iterations.mustGet('it-1');
  expect(after.phase).toBe('running');
  expect(after.deadline).toBeGreaterThan(deadline);
  expect(after.deadline).toBeLessThanOrEqual(deadline + clock.now() - began);
  const events = fleet.store.events.of(`rf-${id}`, 10).map(({ kind }) => kind);
  expect(events.filter((kind) => kind === 'vm.held' || kind === 'vm.thawed').toSorted()).toEqual([
    'vm.held',
    'vm.thawed',
  ]);
});
