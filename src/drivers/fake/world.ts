import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { VmSpec, VmState } from '../driver.ts';

/**
 * What a hypervisor would hold: VMs, their disks and guests. It outlives every driver made for it, as a host outlives a
 * daemon that crashes. Tests and the simulation look into it and change it behind the driver's back.
 */
export interface FakeVm {
  readonly id: string;
  /** Whose mark it carries. */
  readonly fleet: string;
  state: 'running' | 'paused' | 'off' | 'crashed';
  /** False for one that is half made or was undefined by hand; one that runs then goes on until it stops. */
  isDefined: boolean;
  hasDisk: boolean;
  /** How many disks it has had: another number is another, empty disk. */
  disks: number;
  /** Null for what is half made or was not made by us. */
  spec: VmSpec | null;
  /** When the guest of the present boot begins to answer; null while it is off. */
  answersFrom: number | null;
  /** Made by the guest at its first boot, kept on its disk. A guest that runs without one was settled, or forked: it has no identity. */
  hostKey: string | null;
  /** What a test has put on its disk. */
  content: string;
  /** Its disk stands on a template's. */
  isForked: boolean;
  /** How often it was started; a fake guest that remembers another number has been restarted. */
  boots: number;
  /** The guest's clock minus the host's. */
  clockOffsetMs: number;
  console: string;
}

export interface FakeSnapshot {
  fleet: string;
  content: string;
  isForked: boolean;
  isWhole: boolean;
}

export interface FakeWorld {
  readonly clock: Clock;
  readonly vms: Map<string, FakeVm>;
  /** Templates, by what they fit to. They outlive VMs as the cache outlives a fleet. */
  readonly templates: Set<string>;
  /** By id; not whole where it was cut off. */
  readonly snapshots: Map<string, FakeSnapshot>;
  /** Exported disks by target path. */
  readonly exports: Map<string, { vm: string; base: string }>;
  /** While true every call of every driver fails, as without a hypervisor daemon. */
  down: boolean;
  /** A VM nobody asked for: of ours (same fleet name) or foreign. */
  appear(id: string, fleet: string, state?: Exclude<VmState, 'unknown'>): FakeVm;
  boot(vm: FakeVm): void;
  /** Runs with a template's memory. */
  fork(vm: FakeVm): void;
  /** The guest takes its identity off. */
  settle(vm: FakeVm): void;
  /** The guest takes an identity of its own. */
  identify(vm: FakeVm): string;
  /** The VM's process ends without a word. */
  kill(id: string): void;
  /** A person undefines it, running or not; its disk stays. */
  undefine(id: string): void;
  /** A person deletes its disk; a VM that runs still has it open. */
  removeDisk(id: string): void;
  /** A person suspends it. */
  suspend(id: string): void;
  /** The host restarts: everything that ran is off. */
  restart(): void;
  /** True when the guest of this VM runs and has booted. */
  answers(id: string): boolean;
}

export interface FakeWorldOptions {
  clock: Clock;
  random: Random;
  /** From start to a guest that answers; default 3 s. */
  bootMs?: number;
  /** From a fork to a guest that answers; default 0.3 s. */
  forkMs?: number;
}

export function createFakeWorld(options: FakeWorldOptions): FakeWorld {
  const { clock, random } = options;
  const { bootMs = 3000, forkMs = 300 } = options;
  const vms = new Map<string, FakeVm>();
  function boot(vm: FakeVm): void {
    vm.state = 'running';
    vm.boots++;
    vm.answersFrom = clock.now() + bootMs;
    vm.hostKey ??= makeHostKey(random);
    vm.console += `boot ${vm.boots}\n`;
  }
  return {
    clock,
    vms,
    templates: new Set(),
    snapshots: new Map(),
    exports: new Map(),
    down: false,
    appear(id, fleet, state = 'partial') {
      const vm: FakeVm = {
        id,
        fleet,
        state: 'off',
        isDefined: state !== 'partial',
        hasDisk: state !== 'diskless',
        disks: 1,
        spec: null,
        answersFrom: null,
        hostKey: null,
        content: '',
        isForked: false,
        boots: 0,
        clockOffsetMs: 0,
        console: '',
      };
      vms.set(id, vm);
      if (state === 'running' || state === 'paused') boot(vm);
      if (state === 'paused' || state === 'crashed') vm.state = state;
      return vm;
    },
    boot,
    fork(vm) {
      vm.state = 'running';
      vm.boots++;
      vm.isForked = true;
      vm.answersFrom = clock.now() + forkMs;
      vm.console += 'fork\n';
    },
    settle(vm) {
      vm.hostKey = null;
    },
    identify(vm) {
      vm.hostKey = makeHostKey(random);
      return vm.hostKey;
    },
    kill(id) {
      const vm = vms.get(id);
      if (vm === undefined || !isUp(vm)) return;
      vm.state = 'crashed';
      vm.answersFrom = null;
    },
    undefine(id) {
      const vm = vms.get(id);
      if (vm !== undefined) vm.isDefined = false;
    },
    removeDisk(id) {
      const vm = vms.get(id);
      if (vm !== undefined) vm.hasDisk = false;
    },
    suspend(id) {
      const vm = vms.get(id);
      if (vm?.state === 'running') vm.state = 'paused';
    },
    restart() {
      for (const vm of vms.values()) {
        if (isUp(vm)) vm.state = 'off';
        vm.answersFrom = null;
      }
    },
    answers(id) {
      const vm = vms.get(id);
      return vm?.state === 'running' && vm.answersFrom !== null && clock.now() >= vm.answersFrom;
    },
  };
}

export function isUp(vm: FakeVm): boolean {
  return vm.state === 'running' || vm.state === 'paused';
}

/** What a driver would say of it. */
export function stateOf(vm: FakeVm): VmState {
  if (!vm.hasDisk) return 'diskless';
  return vm.isDefined || isUp(vm) ? vm.state : 'partial';
}

/** Shaped as the real thing (RFC 8709): name, length, 32 bytes. */
function makeHostKey(random: Random): string {
  const blob = Buffer.from(`0000000b7373682d6564323535313900000020${random.hex(32)}`, 'hex');
  return `ssh-ed25519 ${blob.toString('base64')}`;
}
