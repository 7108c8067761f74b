import { chmod, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Driver, VmSpec } from '../../../src/drivers/driver.ts';
import { createLibvirtDriver } from '../../../src/drivers/libvirt/driver.ts';
import { vmPlaces } from '../../../src/drivers/libvirt/places.ts';
import type { GuestAddress, Guests } from '../../../src/guest/guest.ts';
import { createGuests } from '../../../src/guest/guests.ts';
import { createSystemClock } from '../../../src/lib/clock.ts';
import { createExec } from '../../../src/lib/exec.ts';
import { createSilentLog } from '../../../src/lib/log.ts';
import { type Paths, resolvePaths } from '../../../src/lib/paths.ts';
import { createSystemRandom } from '../../../src/lib/random.ts';
import { testImage } from '../../fixtures/image.ts';
import { leftoversOf } from '../../support/leftovers.ts';

const clock = createSystemClock();
const random = createSystemRandom();
export const exec = createExec();

/** A libvirt driver in a folder of its own, and the guests of its VMs. */
export interface Bed extends AsyncDisposable {
  root: string;
  driver: Driver;
  guests: Guests;
  paths: Paths;
  spec(id: string): VmSpec;
  /** A new id each time. */
  nextId(): string;
  /** Milliseconds that an image build with nothing to do takes. */
  builtMs: number;
}

/** When a VM came to the two points, ms after it was asked for; and its overlay's bytes once it ran. */
export interface Taken {
  identity: number;
  command: number;
  address: GuestAddress;
  overlay: number;
}

export async function makeBed(): Promise<Bed> {
  await testImage();
  const began = performance.now();
  const image = await testImage();
  const builtMs = performance.now() - began;
  const root = await mkdtemp(join(tmpdir(), 'rf-bench-'));
  await chmod(root, 0o711); // QEMU's user passes through
  const paths = resolvePaths({ HOME: root, XDG_STATE_HOME: root, XDG_CACHE_HOME: root, XDG_RUNTIME_DIR: root });
  await mkdir(paths.images, { recursive: true });
  const keyFile = join(root, 'key');
  await exec(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', keyFile]);
  const authorizedKey = (await readFile(`${keyFile}.pub`, 'utf8')).trim();
  const log = createSilentLog();
  const size = { cpus: 1, memoryMiB: 1024, diskGiB: 8 };
  const driver = createLibvirtDriver({ exec, paths, fleet: 'bench', log, clock });
  const guests = createGuests({ clock, log, keyFile });
  const asked: string[] = [];
  return {
    ...{ root, driver, guests, paths, builtMs },
    spec: (id) => ({ id, disk: image.key, base: image.path, boot: image.boot, size, authorizedKey }),
    nextId() {
      const id = random.hex(4);
      asked.push(id);
      return id;
    },
    async [Symbol.asyncDispose]() {
      for (const { id } of await driver.list()) await driver.remove(id);
      await guests.close();
      await rm(root, { recursive: true, force: true });
      const left = await leftoversOf(root, asked);
      if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
    },
  };
}

export async function boot(bed: Bed, id = bed.nextId()): Promise<Taken> {
  const { driver, guests } = bed;
  const began = performance.now();
  await driver.create(bed.spec(id));
  await driver.start(id);
  const overlay = await overlayBytes(bed, id);
  while (!(await driver.agentAnswers(id))) await clock.sleep(100);
  let hostKey = await driver.hostKey(id);
  for (; hostKey === null; hostKey = await driver.hostKey(id)) await clock.sleep(100);
  const address = addressOf(bed, id, hostKey);
  await guests.ping(address);
  const command = performance.now() - began;
  await guests.identify(address, { hostname: `rf-${id}`, now: clock.now() });
  return { command, identity: performance.now() - began, address, overlay };
}

export async function fork(bed: Bed, id = bed.nextId()): Promise<Taken> {
  const { driver, guests } = bed;
  const began = performance.now();
  await driver.fork(bed.spec(id));
  const overlay = await overlayBytes(bed, id);
  const identity = { hostname: `rf-${id}`, now: clock.now(), machineId: random.hex(16), entropy: random.hex(64) };
  const { authorizedKey } = bed.spec(id);
  const { hostKey } = await guests.identifyFork(id, driver.endpoint(id, 'spare'), { ...identity, authorizedKey });
  const taken = performance.now() - began;
  const address = addressOf(bed, id, hostKey);
  await guests.ping(address);
  return { identity: taken, command: performance.now() - began, address, overlay };
}

export async function remove(bed: Bed, id: string): Promise<void> {
  bed.guests.forget(id);
  await bed.driver.remove(id);
}

export async function saveTemplate(bed: Bed, say: (line: string) => void): Promise<void> {
  const { address } = await boot(bed);
  const { id } = address;
  const began = performance.now();
  await bed.guests.settle(address, bed.driver.endpoint(id, 'spare'));
  await bed.driver.saveTemplate(id, bed.spec(id));
  say(`vm: a template settled and saved in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  await remove(bed, id);
}

async function overlayBytes(bed: Bed, id: string): Promise<number> {
  return (await stat(vmPlaces(bed.paths, id).disk)).blocks * 512;
}

function addressOf({ driver }: Bed, id: string, hostKey: string): GuestAddress {
  return { id, control: driver.endpoint(id, 'control'), people: driver.endpoint(id, 'people'), hostKey };
}
