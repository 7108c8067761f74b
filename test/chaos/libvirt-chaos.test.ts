import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Driver } from '../../src/drivers/driver.ts';
import { isFleetError } from '../../src/lib/errors.ts';
import type { Exec } from '../../src/lib/exec.ts';
import { type BlankVms, createBlankVms } from '../support/blank-vms.ts';
import { createFaultyVirsh, type FaultyVirsh, type VirshFault, virshFaults } from '../support/faulty-virsh.ts';
import { processesOf } from '../support/leftovers.ts';

/**
 * Real VMs, the real libvirt, and a `virsh` that misbehaves once in each of the calls that an operation makes. Then the operation is made
 * again, as passes do, until it succeeds: what libvirt itself says must be what was wanted, with nothing lost and nothing left.
 */
const id = '0c4a0500';
const snapshot = '5a9e0bad';
let vms: BlankVms;
let faulty: FaultyVirsh;
/** Two drivers: the virsh of one misbehaves. */
let driver: Driver;
let tidy: Driver;
/** How the VM stood whenever a disk was copied. */
let copied: (string | null)[];

beforeAll(async () => {
  vms = await createBlankVms();
  faulty = await createFaultyVirsh(join(vms.root, 'virsh'));
  tidy = vms.driver();
  driver = vms.driver(watched(faulty.exec));
});
afterAll(() => vms?.close());

/** Those that only print something. They change nothing, so that it is all one when they hang; of the others half is as good as all. */
const reading = ['list', 'dumpxml', 'version', 'capabilities'];

const faults = Object.keys(virshFaults) as VirshFault[];

type State = 'none' | 'off' | 'running' | 'paused';
interface Operation {
  name: string;
  from: State;
  to: State;
  /** Commands of virsh that it must have called, for the test to mean something. */
  calls: string[];
  /** The same commands each time; where not all are. */
  isCounted?(command: string): boolean;
  make(): Promise<void>;
  /** What passes do about one that failed, before it is made again. */
  mend?(): Promise<void>;
  /** What else must be so afterwards. */
  prove?(): Promise<void>;
}

const spec = () => vms.spec(id);
const operations: Operation[] = [
  {
    name: 'create',
    from: 'none',
    to: 'off',
    calls: ['capabilities', 'define', 'dumpxml'],
    make: () => driver.create(spec()),
  },
  {
    name: 'start',
    from: 'off',
    to: 'running',
    calls: ['list', 'start'],
    make: () => driver.start(id),
  },
  { name: 'pause', from: 'running', to: 'paused', calls: ['suspend'], make: () => driver.pause(id) },
  { name: 'resume', from: 'paused', to: 'running', calls: ['resume'], make: () => driver.resume(id) },
  {
    name: 'snapshot',
    from: 'running',
    to: 'running',
    calls: ['suspend', 'resume'],
    make: () => driver.snapshot(id, snapshot),
    mend: () => tidy.resume(id),
    async prove() {
      expect(new Set(copied)).toEqual(new Set(['paused']));
      expect((await driver.space()).snapshots.get(snapshot)).toBeGreaterThan(0);
      await driver.dropSnapshot(snapshot);
    },
  },
  { name: 'stop', from: 'running', to: 'off', calls: ['destroy'], make: () => driver.stop(id, 0) },
  {
    name: 'stop with grace',
    from: 'running',
    to: 'off',
    calls: ['shutdown', 'destroy'],
    // How often it looks meanwhile is a matter of time.
    isCounted: (command) => command !== 'list',
    make: () => driver.stop(id, 1000),
  },
  {
    name: 'remove',
    from: 'running',
    to: 'none',
    calls: ['destroy', 'undefine'],
    make: () => driver.remove(id),
    prove: async () => expect(await vms.leftovers()).toEqual([]),
  },
  {
    name: 'save a template',
    from: 'running',
    to: 'off',
    calls: ['version', 'save'],
    make: () => driver.saveTemplate(id, spec()),
    // A pass gives such a VM up, and another one is booted for it.
    async mend() {
      await driver.remove(id);
      await driver.create(spec());
      await driver.start(id);
    },
    async prove() {
      expect(await driver.templates([spec()])).toEqual(['blank']);
      await driver.dropTemplate(spec());
    },
  },
];

const fork: Operation = {
  name: 'fork',
  from: 'none',
  to: 'running',
  calls: ['version', 'dumpxml', 'define', 'restore'],
  make: () => driver.fork(spec()),
};

/** From wherever it stands, with a virsh that behaves. */
async function bring(state: State): Promise<void> {
  await stand(state);
  await driver.list(); // so that it knows the VM, or that there is none, each time
}

async function stand(state: State): Promise<void> {
  if (state === 'none') return await tidy.remove(id);
  await tidy.create(spec());
  if (state === 'off') return await tidy.stop(id, 0);
  await tidy.start(id);
  await (state === 'paused' ? tidy.pause(id) : tidy.resume(id));
}

const inLibvirt: Record<State, string | null> = { none: null, off: 'shut off', running: 'running', paused: 'paused' };

async function meet(operation: Operation, command: string, nth: number, fault: VirshFault): Promise<void> {
  const { from, to, make, mend, prove } = operation;
  await bring(from);
  copied = [];
  const disk = from === 'none' || to === 'none' ? null : await vms.diskNumber(id);
  await faulty.arm(command, fault, nth);
  let tries = 1;
  for (; !(await succeeds(make)); tries++) {
    expect(tries).toBeLessThan(3);
    if (mend !== undefined) expect(await succeeds(mend)).toBe(true);
  }
  expect(await faulty.disarm()).toEqual([]);
  expect(await vms.state(id)).toBe(inLibvirt[to]);
  const listed = (await tidy.list()).map((vm) => vm.state);
  expect(listed).toEqual(to === 'none' ? [] : [to]);
  if (disk !== null && tries === 1) expect(await vms.diskNumber(id)).toBe(disk);
  const running = (await processesOf(vms.root)).filter((command) => !command.includes('qemu-system'));
  expect(running).toEqual([]);
  await prove?.();
}

async function succeeds(call: () => Promise<void>): Promise<boolean> {
  try {
    await call();
    return true;
  } catch (error) {
    if (!isFleetError(error)) throw error;
    return false;
  }
}

function watched(exec: Exec): Exec {
  return async (argv, options) => {
    if (argv[0] === 'cp') copied.push(await vms.state(id));
    return exec(argv, options);
  };
}

type Call = { command: string; nth: number };
const known = new Map<Operation, Call[]>();

/** Every call that the operation makes where all goes well. */
async function callsOf(operation: Operation): Promise<Call[]> {
  const { from, calls, make, prove } = operation;
  const before = known.get(operation);
  if (before !== undefined) return before;
  await bring(from);
  copied = [];
  await faulty.calls();
  await make();
  const made = await faulty.calls();
  expect(made).toEqual(expect.arrayContaining(calls));
  await prove?.();
  const counted = made.filter((command) => operation.isCounted?.(command) ?? true);
  const found = counted.map((command, at) => ({
    command,
    nth: counted.slice(0, at + 1).filter((one) => one === command).length,
  }));
  known.set(operation, found);
  return found;
}

/** Every call that changes something meets every fault; of the calls that read each fault meets another one in turn. */
function isDue({ command, nth }: Call, all: readonly Call[], fault: VirshFault): boolean {
  if (!reading.includes(command)) return fault !== 'half';
  const count = all.filter((call) => call.command === command).length;
  return fault !== 'hangs afterwards' && nth === 1 + (faults.indexOf(fault) % count);
}

async function meetAll(operation: Operation, fault: VirshFault): Promise<void> {
  const all = await callsOf(operation);
  for (const { command, nth } of all.filter((call) => isDue(call, all, fault))) {
    await meet(operation, command, nth, fault).catch((cause) => {
      throw new Error(`${operation.name}, call ${nth} of \`virsh ${command}\` ${virshFaults[fault]}: ${cause}`, {
        cause,
      });
    });
  }
}

describe.each(faults)('a virsh that %s', (fault) => {
  test.each(operations)('in $name', (operation) => meetAll(operation, fault));
});

describe('a fork, with a virsh that', () => {
  beforeAll(async () => {
    await bring('running');
    await tidy.saveTemplate(id, spec());
  });
  afterAll(() => tidy?.dropTemplate(spec()));
  test.each(faults)('%s', (fault) => meetAll(fork, fault));
});
