import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createFakeDriver } from '../../src/drivers/fake/driver.ts';
import { createFakeWorld, type FakeWorld } from '../../src/drivers/fake/world.ts';
import { createBallast } from '../../src/host/ballast.ts';
import { createHostLook } from '../../src/host/look.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec } from '../../src/lib/exec.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import { resolvePaths } from '../../src/lib/paths.ts';
import { createSystemRandom } from '../../src/lib/random.ts';
import { createRunFiles } from '../../src/loop/run-files.ts';
import { type Control, type ControlDeps, createControl } from '../../src/reconcile/control.ts';
import { openDatabase } from '../../src/store/open.ts';
import { createStore, type Store } from '../../src/store/store.ts';
import { until } from '../support/gateway-process.ts';
import { aDisk, anIteration, aProject, aTask, aVm, base, config, head } from '../support/rows.ts';

// The control plane with its real database, run files, look at the host and ballast, all on a small disk of its own, over a fake
// driver: what becomes of a Ralph at work when that disk fills.
const exec = createExec();
const clock = createSystemClock();
const mib = 1024 * 1024;
/** 20 MiB are kept free, 5 of them as ballast. */
const keep = { keepFreeDiskGiB: 20 / 1024, keepFreeMemoryMiB: 64 };
const id = '0000000a';

let root: string;
let disk: string;
let hypervisor: FakeWorld;
let store: Store;
let control: Control;
let pings: string[];
let saves: number;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rf-full-disk-'));
  disk = join(root, 'disk');
  await mkdir(disk);
  await exec(['mount', '-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk]);
  await begin();
});
afterEach(async () => {
  await control.runner.stop(5_000);
  store.close();
  await exec(['umount', disk]);
  await rm(root, { recursive: true, force: true });
});

const paths = () => resolvePaths({ HOME: root, XDG_STATE_HOME: disk, XDG_CACHE_HOME: disk, XDG_RUNTIME_DIR: root });

/** An implementer at work in a VM that runs; what it had done was saved two minutes ago. */
async function begin(): Promise<void> {
  const { state, fleetDb, runs, ballast } = paths();
  await mkdir(state, { recursive: true });
  store = createStore({ db: openDatabase(fleetDb), clock });
  const now = clock.now();
  const before = now - 120_000;
  store.projects.insert(aProject());
  store.disks.insert(aDisk());
  store.ralphs.insert({ name: 'implementer-1', role: 'implementer', task: 'T1', vm: id, since: before });
  store.ralphs.insert({ name: 'reviewer-1', role: 'reviewer', task: null, vm: null, since: before });
  store.tasks.insert(aTask({ phase: 'implementing', base, disk: 'image', ralph: 'implementer-1', since: before }));
  store.vms.insert(aVm({ id, hostKey: 'k', touched: true, seeded: { work: base }, since: before }));
  store.iterations.insert(anIteration({ vm: id, startedAt: before, deadline: now + 3_600_000 }));
  store.setDesire('up');
  hypervisor = createFakeWorld({ clock, random: createSystemRandom() });
  const driver = createFakeDriver({ world: hypervisor, fleet: 'test' });
  const spec = { id, disk: 'image', base: '/b', boot: null, size: config.vms.size, authorizedKey: 'k' };
  await driver.create(spec);
  await driver.start(id);
  pings = [];
  saves = 0;
  const work = join(state, 'saved-work');
  control = createControl({
    ...{ store, clock, driver, random: createSystemRandom(), log: createSilentLog() },
    config: () => ({ ...config, host: keep, vms: { ...config.vms, warm: 0 } }),
    guests: {
      jobs: async () => [{ id: 'it-1', state: 'running', streamBytes: 0, end: null }],
      save: async () => ({ files: 1, bytes: 1, leftOut: [] }),
      forget: () => {},
    },
    changes: {
      // As a bundle is brought to the host: three of the five MiB that the ballast gives back.
      importSaved: async () => {
        await writeFile(`${work}.new`, new Uint8Array(3 * mib));
        await rm(work, { force: true });
        await writeFile(work, 'its work');
        await rm(`${work}.new`);
        saves++;
        return { head, tree: 't', changed: true, files: 1, leftOut: [] };
      },
    },
    images: { key: async () => 'image' },
    gateway: {
      tunnels: async () => [id],
      calls: async () => new Map([['it-1', { open: 0, begun: 0 }]]),
      credentials: async () => [],
      settlements: async () => [],
      limits: async () => ({ limits: [], windows: [] }),
      levels: async () => [],
      setBudgets: async () => {},
    },
    runs: createRunFiles(runs),
    agent: () => ({ provider: null }),
    incomingPath: () => join(state, 'incoming'),
    isThere: async () => true,
    notify: async (item: { title: string }) => void pings.push(item.title),
    capacity: () => 4,
    accel: () => 'tcg',
    host: createHostLook(paths()),
    ballast: createBallast({ path: ballast, exec }),
    pause: { busyMs: 50, idleMs: 50 },
  } as unknown as ControlDeps);
  control.runner.start();
}

const state = () => hypervisor.vms.get(id)?.state;
const isThere = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );
const ballastIs = (there: boolean) =>
  until(`the ballast is ${there ? '' : 'not '}there`, async () => (await isThere(paths().ballast)) === there);
const see = (what: string, ask: () => boolean) => until(what, async () => ask());
/** Another program takes all but so much of the disk. */
const leave = async (freeMiB: number) => {
  const look = await createHostLook(paths())();
  const left = (look.disks.find(({ uses }) => uses.includes('state'))?.freeMiB ?? 0) - freeMiB;
  await exec(['fallocate', '-l', `${left}MiB`, join(disk, 'other')]);
};
const makeRoom = () => rm(join(disk, 'other'));

it('work is saved with what the ballast gives back, the VM is frozen, the person told; with room again it goes on', async () => {
  await ballastIs(true);
  expect(state()).toBe('running');
  await leave(12);
  await see('frozen', () => state() === 'paused' && store.vms.mustGet(id).phase === 'paused');
  expect(await isThere(paths().ballast)).toBe(false);
  expect(saves).toBe(1);
  expect(store.tasks.mustGet('T1').head).toBe(head);
  await see('told', () => pings.length > 0);
  expect(pings).toEqual([expect.stringMatching(/^the disk of the state folder is almost full: \d+ MiB free/)]);
  const { deadline } = store.iterations.mustGet('it-1');
  await makeRoom();
  await see('thawed', () => state() === 'running' && store.vms.mustGet(id).phase === 'ready');
  await ballastIs(true);
  const { phase, deadline: later } = store.iterations.mustGet('it-1');
  expect(phase).toBe('running');
  expect(later).toBeGreaterThan(deadline);
});

it('a program that takes all of it, the ballast too: the VM is frozen though no row can say so, and nothing is lost', async () => {
  await ballastIs(true);
  const greedy = async () => {
    await exec(['dd', 'if=/dev/zero', `of=${join(disk, 'other')}`, 'bs=64k'], { okExitCodes: [0, 1] });
    await exec(['dd', 'if=/dev/zero', `of=${join(disk, 'more')}`, 'bs=1k'], { okExitCodes: [0, 1] });
  };
  await greedy();
  await see('frozen', () => state() === 'paused');
  await ballastIs(false);
  await greedy();
  await see('told', () => pings.some((ping) => /the disk of the state folder is (almost )?full/.test(ping)));
  expect(store.iterations.mustGet('it-1').phase).toBe('running');
  await rm(join(disk, 'more'), { force: true });
  await makeRoom();
  await see('thawed', () => state() === 'running' && store.vms.mustGet(id).phase === 'ready');
  await ballastIs(true);
  expect(control.runner.passFailure()).toBe(null);
  expect(store.iterations.mustGet('it-1').phase).toBe('running');
});
