import { FleetError } from '../../lib/errors.ts';
import type { Driver, VmBase, VmSpec } from '../driver.ts';
import { assertVmId } from '../vm-id.ts';
import { type DriverCall, type Faults, noFaults } from './faults.ts';
import { type FakeVm, type FakeWorld, isUp, stateOf } from './world.ts';

export interface FakeDriverOptions {
  world: FakeWorld;
  /** Whose mark it makes and lists. */
  fleet: string;
  faults?: Faults;
  /** How long a hanging call hangs; default 30 s. */
  deadlineMs?: number;
}

/** A driver of VMs that exist in memory only: for tests, faults and the simulation. */
export function createFakeDriver(options: FakeDriverOptions): Driver {
  const { world, fleet } = options;
  const strike = createStriker(options);
  const act = <T>(call: DriverCall, id: string, effect: () => T): Promise<T> => {
    assertVmId(id);
    return strike(call, id, effect);
  };
  const own = (id: string): FakeVm | undefined => {
    const vm = world.vms.get(id);
    return vm?.fleet === fleet ? vm : undefined;
  };
  return {
    name: 'fake',
    wall: 'device',
    canFork: true,
    probe: async () => ({
      available: !world.down,
      version: 'fake',
      accel: 'tcg',
      problems: world.down ? [{ what: 'The fake world is down.', remedy: 'world.down = false' }] : [],
    }),
    list: () =>
      strike('list', null, () => {
        const ours = [...world.vms.values()].filter((vm) => vm.fleet === fleet);
        return ours.map((vm) => ({ id: vm.id, state: stateOf(vm) }));
      }),
    create: async (spec) => act('create', spec.id, () => create(world, fleet, spec, 'new disk')),
    redefine: async (spec) => act('redefine', spec.id, () => create(world, fleet, spec, 'its disk')),
    start: async (id) =>
      act('start', id, () => {
        const vm = made(own(id), id);
        if (isUp(vm)) return;
        if (!vm.hasDisk) throw new FleetError('storage', `VM \`${id}\` cannot start: its disk is gone.`);
        world.boot(vm);
      }),
    stop: async (id) => act('stop', id, () => stop(own(id))),
    pause: async (id) =>
      act('pause', id, () => {
        const vm = running(made(own(id), id));
        vm.state = 'paused';
      }),
    resume: async (id) =>
      act('resume', id, () => {
        const vm = running(made(own(id), id));
        vm.state = 'running';
      }),
    remove: async (id) =>
      act('remove', id, () => {
        if (own(id)) world.vms.delete(id);
      }),
    endpoint(id, use) {
      assertVmId(id);
      return { kind: 'unix', path: `/fake/${id}/${use}.sock` };
    },
    agentAnswers: async (id) => act('agentAnswers', id, () => own(id) !== undefined && world.answers(id)),
    hostKey: async (id) => act('hostKey', id, () => (world.answers(id) ? (own(id)?.hostKey ?? null) : null)),
    setTime: async (id, ms) =>
      act('setTime', id, () => {
        const vm = own(id);
        if (vm === undefined || !world.answers(id)) {
          throw new FleetError('guest_unreachable', `The guest of VM \`${id}\` does not answer.`);
        }
        vm.clockOffsetMs = ms - world.clock.now();
      }),
    consoleTail: async (id, maxBytes) =>
      act('consoleTail', id, () => (maxBytes <= 0 ? '' : (own(id)?.console ?? '').slice(-maxBytes))),
    consoleFile: () => null,
    exportDisk: async (id, target) =>
      act('exportDisk', id, () => {
        const vm = made(own(id), id);
        if (isUp(vm)) {
          throw new FleetError('vm_not_ready', `VM \`${id}\` is ${vm.state}; its disk is exported when it is off.`);
        }
        if (!vm.hasDisk) throw new FleetError('storage', `The disk of VM \`${id}\` is gone.`);
        if (vm.isForked) throw new FleetError('refused', `VM \`${id}\` was forked.`);
        world.exports.set(target, { vm: id, base: vm.spec?.base ?? '' });
      }),
    snapshot: async (id, snapshot) =>
      act('snapshot', id, () => {
        assertVmId(snapshot);
        const vm = made(own(id), id);
        if (world.snapshots.get(snapshot)?.isWhole) return;
        if (!vm.hasDisk) throw new FleetError('storage', `The disk of VM \`${id}\` is gone.`);
        world.snapshots.set(snapshot, { fleet, content: vm.content, isForked: vm.isForked, isWhole: true });
      }),
    dropSnapshot: (snapshot) =>
      strike('dropSnapshot', null, () => {
        assertVmId(snapshot);
        if (world.snapshots.get(snapshot)?.fleet === fleet) world.snapshots.delete(snapshot);
      }),
    space: () =>
      strike('space', null, () => {
        const vms = [...world.vms.values()].filter((vm) => vm.fleet === fleet && vm.hasDisk);
        const snapshots = [...world.snapshots].filter(([, snapshot]) => snapshot.fleet === fleet);
        return {
          vms: new Map(vms.map((vm) => [vm.id, diskBytes])),
          snapshots: new Map(snapshots.map(([one, { isWhole }]) => [one, isWhole ? diskBytes : null])),
        };
      }),
    templates: (wanted) =>
      strike('templates', null, () => wanted.filter((base) => world.templates.has(fits(base))).map(({ disk }) => disk)),
    saveTemplate: async (id, base) =>
      act('saveTemplate', id, () => {
        const vm = made(own(id), id);
        if (vm.state !== 'running' && world.templates.has(fits(base))) return;
        if (running(vm).hostKey !== null) {
          throw new FleetError('bug', `A template would be saved of VM \`${id}\`, which has an identity.`);
        }
        stop(vm);
        world.templates.add(fits(base));
      }),
    fork: async (spec) => act('fork', spec.id, () => fork(world, fleet, spec)),
    dropTemplate: (base) => strike('dropTemplate', null, () => void world.templates.delete(fits(base))),
    idleTemplates: (wanted) =>
      strike('idleTemplates', null, () => {
        const kept = wanted.map(fits);
        const leased = [...world.vms.values()].flatMap((vm) =>
          vm.isForked && vm.spec !== null ? [fits(vm.spec)] : [],
        );
        const idle = [...world.templates].filter((name) => !kept.includes(name) && !leased.includes(name));
        return idle.map((name) => ({ name, sizeBytes: 1 }));
      }),
    removeTemplate: (name) => strike('removeTemplate', null, () => void world.templates.delete(name)),
  };
}

/** Of every disk and snapshot. */
const diskBytes = 1024 ** 2;

function fits({ disk, size }: VmBase): string {
  return JSON.stringify([disk, size]);
}

function fork(world: FakeWorld, fleet: string, spec: VmSpec): void {
  const found = world.vms.get(spec.id);
  if (found !== undefined && found.fleet !== fleet) {
    throw new FleetError('refused', `A VM with id \`${spec.id}\` that is not ours exists.`);
  }
  if (!world.templates.has(fits(spec))) {
    throw new FleetError('not_found', `No template of disk \`${spec.disk}\` fits.`);
  }
  const vm = world.appear(spec.id, fleet, 'off');
  vm.spec = spec;
  vm.boots = found?.boots ?? 0;
  vm.disks = (found?.disks ?? 0) + 1;
  world.fork(vm);
}

function create(world: FakeWorld, fleet: string, spec: VmSpec, on: 'new disk' | 'its disk'): void {
  const found = world.vms.get(spec.id);
  if (found !== undefined && found.fleet !== fleet) {
    throw new FleetError('refused', `A VM with id \`${spec.id}\` that is not ours exists.`);
  }
  if (on === 'its disk' && !found?.hasDisk) {
    throw new FleetError('not_found', `Cannot define VM \`${spec.id}\` again: its disk is gone.`);
  }
  const origin = spec.snapshot ? world.snapshots.get(spec.snapshot) : null;
  if (!found?.hasDisk && spec.snapshot && !origin?.isWhole) {
    throw new FleetError('not_found', `Cannot create VM \`${spec.id}\`: its snapshot is gone.`);
  }
  const vm = found ?? world.appear(spec.id, fleet, 'partial');
  const isNew = !vm.hasDisk || found === undefined;
  if (isNew && origin) Object.assign(vm, { content: origin.content, isForked: origin.isForked });
  if (!vm.hasDisk) {
    vm.hasDisk = true;
    vm.disks++;
    vm.hostKey = null;
  }
  if (vm.isDefined || isUp(vm)) return;
  vm.isDefined = true;
  vm.spec = spec;
}

function stop(vm: FakeVm | undefined): void {
  if (vm === undefined || !isUp(vm)) return;
  vm.state = 'off';
  vm.answersFrom = null;
}

/** Defined, or at least running still. */
function made(vm: FakeVm | undefined, id: string): FakeVm {
  if (vm !== undefined && (vm.isDefined || isUp(vm))) return vm;
  throw new FleetError('not_found', `There is no VM \`${id}\`${vm ? ', only a part of one' : ''}.`);
}

function running(vm: FakeVm): FakeVm {
  if (isUp(vm)) return vm;
  throw new FleetError('vm_not_ready', `VM \`${vm.id}\` is ${vm.state}, not running.`);
}

/** Runs an effect with what the faults and the world have in mind for it. */
function createStriker(options: FakeDriverOptions) {
  const { world, faults = noFaults, deadlineMs = 30_000 } = options;
  return async <T>(call: DriverCall, id: string | null, effect: () => T): Promise<T> => {
    const fault = faults.next(call, id);
    if (fault?.kind === 'slow') await world.clock.sleep(fault.ms);
    if (fault?.kind === 'hang') {
      await world.clock.sleep(deadlineMs);
      throw lost(call, 'did not answer in time');
    }
    if (world.down) throw lost(call, 'found no hypervisor');
    if (fault?.kind === 'fail-before') throw lost(call, 'failed');
    if (fault?.kind === 'vm-dies' && id !== null) world.kill(id);
    if (fault?.kind === 'cut-off') {
      cutOff(options, call, id);
      throw lost(call, 'was cut off');
    }
    const result = effect();
    if (fault?.kind === 'fail-after') throw lost(call, 'lost its reply');
    return fault?.kind === 'doubled' ? effect() : result;
  };
}

function cutOff({ world, fleet }: FakeDriverOptions, call: DriverCall, id: string | null): void {
  if (id === null) return;
  const vm = world.vms.get(id);
  if ((call === 'create' || call === 'fork') && vm === undefined) world.appear(id, fleet, 'partial');
  if (call === 'snapshot' && vm?.fleet === fleet && vm.state === 'running') vm.state = 'paused';
  if (call === 'saveTemplate' && vm?.fleet === fleet) stop(vm);
  if (call === 'remove' && vm?.fleet === fleet) {
    stop(vm);
    vm.isDefined = false;
  }
}

function lost(call: DriverCall, what: string): FleetError {
  return new FleetError('driver_unavailable', `The fake driver's \`${call}\` ${what}.`);
}
