import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expect } from 'vitest';
import { vmName } from '../../src/domain/vm.ts';
import type { Driver } from '../../src/drivers/driver.ts';
import { createLibvirtDriver } from '../../src/drivers/libvirt/driver.ts';
import { vmPlaces } from '../../src/drivers/libvirt/places.ts';
import { isVmId } from '../../src/drivers/vm-id.ts';
import { createGuests } from '../../src/guest/guests.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec, type Exec } from '../../src/lib/exec.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import { resolvePaths } from '../../src/lib/paths.ts';
import { createSystemRandom } from '../../src/lib/random.ts';
import { makeKeyPair, runInGuest } from '../fixtures/guest-shell.ts';
import { testImage } from '../fixtures/image.ts';
import { inetSocketsOf } from '../support/inet-sockets.ts';
import { leftoversOf, leftoversOfVm, processesOf, virsh as session } from '../support/leftovers.ts';
import type { DriverSubject } from './driver.ts';
import { proveNoWayOut } from './wall.ts';

const exec = createExec();
const clock = createSystemClock();

export async function libvirtSubject(): Promise<DriverSubject> {
  const image = await testImage();
  const root = await mkdtemp(join(tmpdir(), 'rf-c-'));
  await chmod(root, 0o755);
  const place = async (name: string) => {
    const home = join(root, name);
    await mkdir(home);
    const paths = resolvePaths({ HOME: home, XDG_STATE_HOME: home, XDG_CACHE_HOME: home, XDG_RUNTIME_DIR: home });
    await mkdir(paths.images, { recursive: true });
    return paths;
  };
  const paths = await place('a');
  const parts = { exec, paths, fleet: 'conformance', log: createSilentLog(), clock };
  const make = (more: Partial<typeof parts> = {}) => createLibvirtDriver({ ...parts, ...more });
  const key = makeKeyPair();
  /** Ids of all VMs there ever were. */
  const asked = new Set<string>();
  // The same fleet name, another home: must be as foreign as another name.
  const foreign = make({ paths: await place('b') });
  const driver = make();
  const keyFile = join(root, 'key');
  await writeFile(keyFile, key.private, { mode: 0o600 });
  const inGuest = (id: string, hostKey: string, command: string) => {
    const endpoint = driver.endpoint(id, 'control');
    if (endpoint.kind !== 'unix') throw new Error('the control channel must be a unix socket');
    return runInGuest({ socket: endpoint.path, hostKey, privateKey: key.private }, command);
  };
  return {
    driver,
    again: () => make(),
    foreign,
    unreachable: make({ exec: withoutDaemon(join(root, 'no-socket')) }),
    cutOff: make({ exec: failing('define') }),
    spec(id) {
      if (isVmId(id)) asked.add(id);
      const size = { cpus: 2, memoryMiB: 1024, diskGiB: 4 };
      return { id, disk: image.key, base: image.path, boot: image.boot, size, authorizedKey: key.public };
    },
    guests: {
      ...guestsOf(driver, keyFile, key.public),
      write: async (id, hostKey, word) =>
        void (await inGuest(id, hostKey, `echo ${JSON.stringify(word)} >/root/word; sync`)),
      read: async (id, hostKey) => (await inGuest(id, hostKey, 'cat /root/word')).stdout.trim(),
    },
    templateFiles: () => readdir(paths.templates).catch(() => []),
    dyingIn: (step) => make({ exec: step === 'copy' ? failing('cp', 'resume') : failing(step) }),
    exportTarget: join(paths.images, 'prepared.qcow2'),
    baseDigest: () => digest(image.path),
    leftovers: (id) => leftoversOfVm(root, id),
    byHand: {
      undefine: (id) => virsh('undefine', vmName(id)),
      removeDisk: (id) => rm(vmPlaces(paths, id).disk),
      suspend: (id) => virsh('suspend', vmName(id)),
      rename: (id) => virsh('domrename', vmName(id), `by-hand-${id}`),
    },
    wait: (ms) => clock.sleep(ms),
    async proveWall(id) {
      const hostKey = (await driver.hostKey(id)) ?? '';
      await proveNoWayOut((command) => inGuest(id, hostKey, command));
      // As the host sees it: no network device in its definition, no internet socket in its process.
      expect((await exec([...session, 'domiflist', vmName(id)])).stdout.trim()).toBe('');
      const processes = (await processesOf(vmName(id))).map((line) => Number.parseInt(line, 10));
      expect(processes).toHaveLength(1);
      expect(await inetSocketsOf(processes)).toEqual([]);
    },
    async close() {
      for (const one of [driver, foreign]) for (const vm of await one.list()) await one.remove(vm.id);
      await rm(root, { recursive: true, force: true });
      const left = await leftoversOf(root, [...asked]);
      if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
    },
  };
}

function guestsOf(
  driver: Driver,
  keyFile: string,
  authorizedKey: string,
): Omit<DriverSubject['guests'], 'write' | 'read'> {
  const guests = createGuests({ clock, log: createSilentLog(), keyFile });
  const random = createSystemRandom();
  const spare = (id: string) => driver.endpoint(id, 'spare');
  const address = (id: string, hostKey: string) => {
    const [control, people] = [driver.endpoint(id, 'control'), driver.endpoint(id, 'people')];
    return { id, control, people, hostKey };
  };
  return {
    settle: async (id) => guests.settle(address(id, (await driver.hostKey(id)) ?? ''), spare(id)),
    async identify(id) {
      const identity = { hostname: `rf-${id}`, now: clock.now(), machineId: random.hex(16), entropy: random.hex(64) };
      const { hostname, machineId, bootId, hostKey } = await guests.identifyFork(id, spare(id), {
        ...identity,
        authorizedKey,
      });
      return { hostname, machineId, bootId, hostKey };
    },
    async look(id, hostKey) {
      const seen = await guests.identify(address(id, hostKey), { hostname: `rf-${id}`, now: clock.now() });
      guests.forget(id);
      return { hostname: seen.hostname, machineId: seen.machineId, bootId: seen.bootId, hostKey };
    },
  };
}

/** virsh is real, the daemon it is sent to does not exist. */
function withoutDaemon(socket: string): Exec {
  return (argv, options) =>
    exec(
      argv.map((arg) => (arg === 'qemu:///session' ? `qemu+unix:///session?socket=${socket}` : arg)),
      options,
    );
}

function failing(...words: string[]): Exec {
  return (argv, options) =>
    words.some((word) => argv.includes(word)) ? Promise.reject(new Error('cut off')) : exec(argv, options);
}

async function digest(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function virsh(...args: string[]): Promise<void> {
  await exec([...session, ...args]);
}
