import { chmod, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Driver, VmSpec } from '../../src/drivers/driver.ts';
import { createLibvirtDriver } from '../../src/drivers/libvirt/driver.ts';
import { vmPlaces } from '../../src/drivers/libvirt/places.ts';
import type { GuestAddress, Guests } from '../../src/guest/guest.ts';
import { createGuests } from '../../src/guest/guests.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec } from '../../src/lib/exec.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import { type Paths, resolvePaths } from '../../src/lib/paths.ts';
import { createSystemRandom } from '../../src/lib/random.ts';
import { testImage } from '../fixtures/image.ts';
import { against, type Bench, type Result, single, spread } from './result.ts';

const boots = 4;
const forks = 12;
const atOnce = 5;

const clock = createSystemClock();
const random = createSystemRandom();
const exec = createExec();

interface Bed {
  driver: Driver;
  guests: Guests;
  paths: Paths;
  spec(id: string): VmSpec;
}

/** A VM booted and a VM forked, to the same two points: its identity is set and known to the host; the first command over ssh ended. */
export const vm: Bench = async (say) => {
  const root = await mkdtemp(join(tmpdir(), 'rf-bench-'));
  await chmod(root, 0o711); // QEMU's user passes through
  const bed = await makeBed(root);
  try {
    const booted = await series(boots, async (id) => boot(bed, id), bed, say, 'boot');
    await saveTemplate(bed, say);
    const forked = await series(forks, async (id) => fork(bed, id), bed, say, 'fork');
    const crowd = await together(bed, say);
    return [...booted.results('boot'), ...forked.results('fork', booted), crowd, ...(await sizes(bed))];
  } finally {
    for (const { id } of await bed.driver.list()) await bed.driver.remove(id);
    await bed.guests.close();
    await rm(root, { recursive: true, force: true });
  }
};

async function makeBed(root: string): Promise<Bed> {
  const image = await testImage();
  const paths = resolvePaths({ HOME: root, XDG_STATE_HOME: root, XDG_CACHE_HOME: root, XDG_RUNTIME_DIR: root });
  await mkdir(paths.images, { recursive: true });
  const keyFile = join(root, 'key');
  await exec(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', keyFile]);
  const authorizedKey = (await readFile(`${keyFile}.pub`, 'utf8')).trim();
  const log = createSilentLog();
  const size = { cpus: 1, memoryMiB: 1024, diskGiB: 8 };
  return {
    driver: createLibvirtDriver({ exec, paths, fleet: 'bench', log, clock }),
    guests: createGuests({ clock, log, keyFile }),
    paths,
    spec: (id) => ({ id, disk: image.key, base: image.path, boot: image.boot, size, authorizedKey }),
  };
}

interface Taken {
  identity: number;
  command: number;
}

async function boot(bed: Bed, id: string): Promise<Taken> {
  const { driver, guests } = bed;
  const began = performance.now();
  await driver.create(bed.spec(id));
  await driver.start(id);
  while (!(await driver.agentAnswers(id))) await clock.sleep(100);
  let hostKey = await driver.hostKey(id);
  for (; hostKey === null; hostKey = await driver.hostKey(id)) await clock.sleep(100);
  const address = addressOf(bed, id, hostKey);
  await guests.ping(address);
  const command = performance.now() - began;
  await guests.identify(address, { hostname: `rf-${id}`, now: clock.now() });
  return { command, identity: performance.now() - began };
}

async function fork(bed: Bed, id: string): Promise<Taken> {
  const { driver, guests } = bed;
  const began = performance.now();
  await driver.fork(bed.spec(id));
  const identity = { hostname: `rf-${id}`, now: clock.now(), machineId: random.hex(16), entropy: random.hex(64) };
  const { authorizedKey } = bed.spec(id);
  const { hostKey } = await guests.identifyFork(id, driver.endpoint(id, 'spare'), { ...identity, authorizedKey });
  const taken = performance.now() - began;
  await guests.ping(addressOf(bed, id, hostKey));
  return { identity: taken, command: performance.now() - began };
}

async function saveTemplate(bed: Bed, say: (line: string) => void): Promise<void> {
  const id = '00000000';
  await boot(bed, id);
  const hostKey = (await bed.driver.hostKey(id)) ?? '';
  const began = performance.now();
  await bed.guests.settle(addressOf(bed, id, hostKey), bed.driver.endpoint(id, 'spare'));
  await bed.driver.saveTemplate(id, bed.spec(id));
  say(`vm: a template settled and saved in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  await bed.driver.remove(id);
}

/** One after the other, each removed before the next. */
async function series(
  count: number,
  make: (id: string) => Promise<Taken>,
  bed: Bed,
  say: (line: string) => void,
  name: string,
) {
  const all: Taken[] = [];
  for (let n = 0; n < count; n++) {
    const id = (0x10 + n).toString(16).padStart(8, '0');
    all.push(await make(id));
    bed.guests.forget(id);
    await bed.driver.remove(id);
    const { identity, command } = all.at(-1) ?? { identity: 0, command: 0 };
    say(
      `vm: ${name} ${n + 1} of ${count}: identity after ${(identity / 1000).toFixed(2)} s, a command after ${(command / 1000).toFixed(2)} s`,
    );
  }
  const of = (what: keyof Taken) => all.map((taken) => taken[what]);
  const results = (named: string): Result[] => [
    spread(`${named} to identity`, 'ms', of('identity')),
    spread(`${named} to the first command`, 'ms', of('command')),
  ];
  return {
    results(named: string, baseline?: { results(name: string): Result[] }): Result[] {
      const bases = baseline?.results('boot') ?? [];
      return results(named).map((result, n) => (bases[n] === undefined ? result : against(result, bases[n])));
    },
  };
}

async function together(bed: Bed, say: (line: string) => void): Promise<Result> {
  const ids = Array.from({ length: atOnce }, (_, n) => (0x100 + n).toString(16).padStart(8, '0'));
  const began = performance.now();
  await Promise.all(ids.map((id) => fork(bed, id)));
  const ms = performance.now() - began;
  say(`vm: ${atOnce} forks at once in ${(ms / 1000).toFixed(1)} s`);
  for (const id of ids.slice(1)) await bed.driver.remove(id);
  return single(`${atOnce} forks at once to the first command of each`, 'ms', ms, atOnce);
}

/** Of the fork that is left. */
async function sizes(bed: Bed): Promise<Result[]> {
  const [left] = await bed.driver.list();
  if (left === undefined) return [];
  const { disk, folder } = vmPlaces(bed.paths, left.id);
  const bytes = (await stat(disk)).blocks * 512;
  const found = await exec(['pgrep', '-f', `file.*${folder}/`], { okExitCodes: [0, 1] });
  const pid = found.stdout.split('\n')[0] ?? '';
  const rollup = pid === '' ? '' : await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  const mib = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? Number.NaN) / 1024;
  return [
    single('overlay of a fork after its first command', 'KiB', bytes / 1024),
    single('rss of a fork', 'MiB', mib('Rss')),
    single('pss of a fork', 'MiB', mib('Pss')),
  ];
}

function addressOf({ driver }: Bed, id: string, hostKey: string): GuestAddress {
  return { id, control: driver.endpoint(id, 'control'), people: driver.endpoint(id, 'people'), hostKey };
}
