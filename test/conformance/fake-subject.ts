import { createHash } from 'node:crypto';
import { createFakeDriver } from '../../src/drivers/fake/driver.ts';
import { createFakeWorld } from '../../src/drivers/fake/world.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { DriverSubject } from './driver.ts';

export async function fakeSubject(): Promise<DriverSubject> {
  const time = { now: 0 };
  const clock: Clock = {
    now: () => time.now,
    sleep: async (ms) => {
      time.now += ms;
    },
    after: () => () => {},
  };
  let drawn = 0;
  const random = {
    hex: (bytes: number) =>
      createHash('sha256')
        .update(String(drawn++))
        .digest('hex')
        .slice(0, bytes * 2),
  };
  const world = createFakeWorld({ clock, random });
  const make = (fleet: string) => createFakeDriver({ world, fleet });
  const vmOf = (id: string) => {
    const vm = world.vms.get(id);
    if (vm === undefined) throw new Error(`no VM ${id}`);
    return vm;
  };
  const machineIds = new Map<string, string>();
  const look = (id: string, hostKey: string) => {
    if (vmOf(id).hostKey !== hostKey) throw new Error(`another host key answers in ${id}`);
    return {
      hostname: `rf-${id}`,
      machineId: machineIds.get(id) ?? `of ${id}`,
      bootId: `${id} ${vmOf(id).boots}`,
      hostKey,
    };
  };
  return {
    driver: make('ours'),
    again: () => make('ours'),
    foreign: make('theirs'),
    unreachable: createFakeDriver({ world: { ...world, down: true }, fleet: 'ours' }),
    cutOff: createFakeDriver({ world, fleet: 'ours', faults: { next: () => ({ kind: 'cut-off' }) } }),
    spec: (id) => ({
      id,
      disk: 'image',
      base: '/images/base.qcow2',
      boot: null,
      size: { cpus: 1, memoryMiB: 512, diskGiB: 4 },
      authorizedKey: 'ssh-ed25519 AAAA test',
    }),
    guests: {
      settle: async (id) => world.settle(vmOf(id)),
      async identify(id) {
        machineIds.set(id, random.hex(16));
        return look(id, world.identify(vmOf(id)));
      },
      look: async (id, hostKey) => look(id, hostKey),
      write: async (id, _hostKey, word) => {
        vmOf(id).content = word;
      },
      read: async (id) => vmOf(id).content,
    },
    templateFiles: async () => [...world.templates],
    dyingIn: () => createFakeDriver({ world, fleet: 'ours', faults: { next: () => ({ kind: 'cut-off' }) } }),
    exportTarget: '/images/prepared.qcow2',
    baseDigest: async () => 'unchanged',
    leftovers: async (id) => [...world.vms.keys(), ...world.snapshots.keys()].filter((one) => one === id),
    byHand: {
      undefine: async (id) => world.undefine(id),
      removeDisk: async (id) => world.removeDisk(id),
      suspend: async (id) => world.suspend(id),
      // Its VMs have no name but their id.
      rename: async () => {},
    },
    wait: (ms) => clock.sleep(ms),
    close: async () => {},
  };
}
