import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Driver } from '../../src/drivers/driver.ts';
import { createLibvirtDriver } from '../../src/drivers/libvirt/driver.ts';
import { vmPlaces } from '../../src/drivers/libvirt/places.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec } from '../../src/lib/exec.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import { resolvePaths } from '../../src/lib/paths.ts';
import { makeKeyPair, runInGuest } from '../fixtures/guest-shell.ts';
import { testImage } from '../fixtures/image.ts';
import { until } from '../support/gateway-process.ts';
import { leftoversOf } from '../support/leftovers.ts';

// A real VM: what its guest deletes goes back to the host’s disk, and the host knows what its process holds.
const id = '0d15ca2d';
const mib = 1024 * 1024;
const bootMs = 300_000;

let root: string;
let driver: Driver;
let disk: string;
let guest: (command: string) => Promise<string>;

beforeAll(async () => {
  const image = await testImage();
  root = await mkdtemp(join(tmpdir(), 'rf-back-'));
  await chmod(root, 0o755);
  const paths = resolvePaths({ HOME: root, XDG_STATE_HOME: root, XDG_CACHE_HOME: root, XDG_RUNTIME_DIR: root });
  await mkdir(paths.images, { recursive: true });
  const key = makeKeyPair();
  await writeFile(join(root, 'key'), key.private, { mode: 0o600 });
  const [clock, log] = [createSystemClock(), createSilentLog()];
  driver = createLibvirtDriver({ exec: createExec(), paths, fleet: 'gives-back', log, clock });
  const size = { cpus: 1, memoryMiB: 1024, diskGiB: 8 };
  await driver.create({ id, disk: image.key, base: image.path, boot: image.boot, size, authorizedKey: key.public });
  await driver.start(id);
  const hostKey = await until('a host key', () => driver.hostKey(id).catch(() => null), bootMs);
  const endpoint = driver.endpoint(id, 'control');
  if (endpoint.kind !== 'unix') throw new Error('the control channel must be a unix socket');
  const target = { socket: endpoint.path, hostKey, privateKey: key.private };
  guest = async (command) => {
    const { code, stdout, stderr } = await runInGuest(target, command);
    if (code !== 0) throw new Error(`${command} ended with ${code}: ${stderr}`);
    return stdout.trim();
  };
  await until(
    'a login',
    () =>
      guest('true').then(
        () => true,
        () => false,
      ),
    bootMs,
  );
  disk = vmPlaces(paths, id).disk;
}, 2 * bootMs);

afterAll(async () => {
  await driver.remove(id);
  await rm(root, { recursive: true, force: true });
  expect(await leftoversOf(root, [id])).toEqual([]);
});

const onHost = async () => Math.round(((await stat(disk)).blocks * 512) / mib);

it('1 GiB that is deleted in the guest leaves the host’s file too', { timeout: 600_000 }, async () => {
  const before = await onHost();
  // Nothing that reads as zeroes: those are never written at all.
  await guest('yes 0123456789abcde | head -c 1073741824 > /var/tmp/big && sync');
  const full = await onHost();
  expect(full - before).toBeGreaterThan(1000);
  await guest('rm /var/tmp/big && sync');
  await until('the file is small again', async () => (await onHost()) - before < 100, 120_000);
});

it('what its process holds of the memory is known', async () => {
  const [vm] = await driver.list();
  expect(vm?.residentMiB).toBeGreaterThan(100);
});
