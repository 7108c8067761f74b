import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { FleetConfig } from '../../src/domain/fleet.ts';
import type { Driver } from '../../src/drivers/driver.ts';
import type { Guests } from '../../src/guest/guest.ts';
import { createHostLook } from '../../src/host/look.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { Exec } from '../../src/lib/exec.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import { createSystemRandom } from '../../src/lib/random.ts';
import { type Control, type ControlDeps, createControl } from '../../src/reconcile/control.ts';
import { openDatabase } from '../../src/store/open.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import type { BlankVms } from './blank-vms.ts';
import { aDisk, anIteration, aProject, aTask, aVm, base, config } from './rows.ts';

/**
 * The control plane with its real database over the real libvirt and blank VMs. No guest is on their disks: what is asked of one is answered for
 * it, or by `guests`.
 */
export interface BlankFleet {
  store: Store;
  control: Control;
  /** The control plane ends; its VMs stay. */
  stop(): Promise<void>;
}

export interface BlankFleetParts {
  vms: BlankVms;
  clock: Clock;
  exec?: Exec;
  guests?: Partial<Guests>;
  /** How the host is looked at, and what of it is kept free; default: all may be used. */
  host?: Pick<ControlDeps, 'host' | 'ballast'> & { keep: FleetConfig['host'] };
}

/** An implementer's iteration runs in this VM, its work saved just now; that VM must run. */
export function putToWork(store: Store, id: string, now: number): void {
  store.projects.insert(aProject());
  store.ralphs.insert({ name: 'implementer-1', role: 'implementer', task: 'T1', vm: id, since: now });
  store.ralphs.insert({ name: 'reviewer-1', role: 'reviewer', task: null, vm: null, since: now });
  store.tasks.insert(aTask({ phase: 'implementing', base, disk: 'blank', ralph: 'implementer-1', since: now }));
  store.vms.insert(aVm({ id, disk: 'blank', hostKey: `of ${id}`, touched: true, seeded: { work: base }, since: now }));
  store.iterations.insert(anIteration({ vm: id, startedAt: now, savedAt: now, deadline: now + 600_000 }));
}

const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32);

const guestsThatAnswer: Partial<Guests> = {
  ping: async () => {},
  settle: async () => {},
  forget: () => {},
  jobs: async () => [],
  verify: async () => ({ ok: true, contract: 1, image: 'blank', tools: {}, problems: [] }),
  identify: async ({ id }) => ({ machineId: digest(id), bootId: id, hostname: `rf-${id}`, clockOffsetMs: 0 }),
  identifyFork: async (id, _, { hostname, machineId }) => {
    return { hostname, machineId, bootId: id, clockOffsetMs: 0, hostKey: `of ${id}`, random: digest(id) };
  },
};

const noBallast = { make: async () => {}, free: async () => {} };
const nothingKept = { keepFreeDiskGiB: 0, keepFreeMemoryMiB: 0 };

export function createBlankFleet({ vms, clock, exec, guests = {}, host }: BlankFleetParts): BlankFleet {
  const store = createStore({ db: openDatabase(join(vms.root, 'fleet.db')), clock });
  const { disk, base, size, authorizedKey } = vms.spec('00000000');
  store.disks.insert(aDisk({ key: disk, path: base }));
  store.setDesire('up');
  const driver: Driver = {
    ...vms.driver(exec),
    agentAnswers: async () => true,
    hostKey: async (id) => `of ${id}`,
    setTime: async () => {},
  };
  const control = createControl({
    ...{ store, clock, driver, authorizedKey, random: createSystemRandom(), log: createSilentLog() },
    config: () => ({ ...config, host: host?.keep ?? nothingKept, vms: { ...config.vms, size, warm: 0 } }),
    guests: { ...guestsThatAnswer, ...guests },
    images: { key: async () => disk, name: 'blank' },
    gateway: {
      tunnels: async () => [],
      calls: async () => new Map(),
      credentials: async () => [],
      settlements: async () => [],
      limits: async () => ({ limits: [], windows: [] }),
      levels: async () => [],
      setBudgets: async () => {},
      closeTunnel: async () => {},
    },
    agent: () => ({ provider: null }),
    isThere: async () => true,
    notify: async () => {},
    capacity: () => 4,
    accel: () => 'tcg',
    host: host?.host ?? createHostLook(vms.paths),
    ballast: host?.ballast ?? noBallast,
    pause: { busyMs: 50, idleMs: 200 },
  } as unknown as ControlDeps);
  return {
    store,
    control,
    async stop() {
      await control.runner.stop(20_000);
      store.close();
    },
  };
}
