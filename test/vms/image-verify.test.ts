import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Driver, VmBase } from '../../src/drivers/driver.ts';
import { createDriver } from '../../src/drivers/registry.ts';
import { createGuests } from '../../src/guest/guests.ts';
import type { BuiltImage } from '../../src/images/builder.ts';
import { type ImageReport, verifyImage } from '../../src/images/verify.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec } from '../../src/lib/exec.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import { resolvePaths } from '../../src/lib/paths.ts';
import { createSystemRandom } from '../../src/lib/random.ts';
import { makeKeyPair } from '../fixtures/guest-shell.ts';
import { testImage } from '../fixtures/image.ts';
import { leftoversOf } from '../support/leftovers.ts';

// The guest contract's own suite, in real VMs: what `image verify` does, with an image that keeps it and one that does not.
const exec = createExec();
const clock = createSystemClock();
const log = createSilentLog();
const size = { cpus: 2, memoryMiB: 1024, diskGiB: 8 };
const key = makeKeyPair();
let root: string;
let image: BuiltImage;
let driver: Driver;

beforeAll(async () => {
  image = await testImage();
  root = await mkdtemp(join(tmpdir(), 'rf-verify-'));
  await chmod(root, 0o755);
  const paths = resolvePaths({ HOME: root, XDG_STATE_HOME: root, XDG_CACHE_HOME: root, XDG_RUNTIME_DIR: root });
  await mkdir(paths.images, { recursive: true });
  await writeFile(join(root, 'key'), key.private, { mode: 0o600 });
  driver = createDriver({ driver: 'auto', wall: 'device', name: 'verify/image-check' }, { exec, paths, log, clock });
});

afterAll(async () => {
  for (const vm of await driver.list()) await driver.remove(vm.id);
  await rm(root, { recursive: true, force: true });
  expect(await leftoversOf(root)).toEqual([]);
});

function verify(base: VmBase): Promise<ImageReport> {
  const guests = createGuests({ clock, log, keyFile: join(root, 'key') });
  const random = createSystemRandom();
  return verifyImage({ driver, guests, clock, random, log, authorizedKey: key.public, slowness: () => 10 }, base);
}

it('says that the image keeps the contract, and takes away what an earlier look left', async () => {
  const base = { disk: image.key, base: image.path, boot: image.boot, size };
  await driver.create({ ...base, id: '0badc0de', authorizedKey: key.public });
  const report = await verify(base);
  expect(report).toMatchObject({ ok: true, problems: [], contract: 1, key: image.key, image: image.key });
  expect(report.tools).toEqual(image.contract.tools);
  expect(await driver.list()).toEqual([]);
});

it('says what is wrong with one that does not', async () => {
  const raw = join(root, 'broken.raw');
  const broken = join(root, 'broken.qcow2');
  await exec(['qemu-img', 'convert', '-O', 'raw', image.path, raw], { timeoutMs: 120_000 });
  for (const change of ['rm /usr/local/bin/ralph-fork', 'rm /etc/sudoers.d/ralph']) {
    await exec(['/usr/sbin/debugfs', '-w', '-R', change, raw]);
  }
  await exec(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, broken], { timeoutMs: 120_000 });
  await rm(raw);
  const report = await verify({ disk: 'broken', base: broken, boot: image.boot, size });
  expect(report).toMatchObject({ ok: false, key: 'broken', image: image.key });
  expect(report.problems).toEqual(['tool `ralph-fork` is missing', 'ralph1 may not use sudo']);
  expect(await driver.list()).toEqual([]);
  expect(
    (await readdir(join(root, 'ralph-fleet'), { recursive: true })).filter((name) => name.includes('disk')),
  ).toEqual([]);
});
