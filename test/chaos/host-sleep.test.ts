import { afterEach, beforeEach, expect, test } from 'vitest';
import { createSystemClock } from '../../src/lib/clock.ts';
import { FleetError } from '../../src/lib/errors.ts';
import { type BlankFleet, createBlankFleet, putToWork } from '../support/blank-fleet.ts';
import { type BlankVms, createBlankVms } from '../support/blank-vms.ts';
import { until } from '../support/gateway-process.ts';
import { processesOf } from '../support/leftovers.ts';

/** A Ralph at work in a real VM, on a host that falls asleep and wakes hours later. */
const id = '0c4a0502';
const hours = 3_600_000;
const system = createSystemClock();
let offsetMs: number;
const clock = { ...system, now: () => system.now() + offsetMs };
let vms: BlankVms;
let fleet: BlankFleet;
let sleeps: boolean;

beforeEach(async () => {
  offsetMs = 0;
  sleeps = false;
  vms = await createBlankVms();
  const driver = vms.driver();
  await driver.create(vms.spec(id));
  await driver.start(id);
  const guests = {
    jobs: async () => {
      if (sleeps) throw new FleetError('guest_unreachable', 'It stands still.');
      return [{ id: 'it-1', state: 'running' as const, streamBytes: 0, end: null }];
    },
  };
  fleet = createBlankFleet({ vms, clock, guests });
  putToWork(fleet.store, id, clock.now());
  fleet.control.runner.start();
});
afterEach(async () => {
  await fleet?.stop();
  await vms?.close();
});

async function qemu(): Promise<number> {
  const [found] = (await processesOf(`rf-${id}`)).filter((line) => line.includes('qemu-system'));
  return Number.parseInt(found ?? '', 10);
}

/** Whether the guest answered, as a pass saw it that began from now on. */
async function seenNow(isAnswering: boolean): Promise<void> {
  const from = clock.now();
  await until(`a pass that sees the guest ${isAnswering ? 'answer' : 'silent'}`, () => {
    const { lastPass, nudge } = fleet.control.runner;
    nudge();
    const { world } = lastPass() ?? {};
    return world !== undefined && world.observed.askedAt >= from && world.observed.guests.get(id)?.ok === isAnswering;
  });
}

test('it goes on where it was: nothing is taken for silent, late or dead for the time in between', async () => {
  await seenNow(true);
  const pid = await qemu();
  const { deadline } = fleet.store.iterations.mustGet('it-1');
  // The last look before it sleeps gets no answer any more, nor does the first one after.
  process.kill(pid, 'SIGSTOP');
  sleeps = true;
  await seenNow(false);
  offsetMs = 3 * hours;
  await seenNow(false);
  process.kill(pid, 'SIGCONT');
  sleeps = false;
  await seenNow(true);
  const events = fleet.store.events.of(`rf-${id}`, 50).map(({ kind }) => kind);
  expect(events).toEqual([]);
  expect(fleet.store.vms.mustGet(id)).toMatchObject({ phase: 'ready', failure: null });
  expect([await vms.state(id), await qemu()]).toEqual(['running', pid]);
  const after = fleet.store.iterations.mustGet('it-1');
  expect(after.phase).toBe('running');
  expect(after.deadline).toBeGreaterThanOrEqual(deadline + 3 * hours);
});
