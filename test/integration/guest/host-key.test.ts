import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createExec } from '../../../src/lib/exec.ts';

/** `ralph-hostkey` at a boot, with the disk below a folder. */
const exec = createExec();
const script = join(import.meta.dirname, '../../../src/guest/scripts/ralph-hostkey');
const uuid = '0000000c-1234-8abc-8def-0123456789ab';
let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rf-hostkey-'));
  await put('sys/class/dmi/id/product_uuid', `${uuid}\n`);
  await mkdir(join(root, 'etc/ssh'), { recursive: true });
});
afterEach(() => rm(root, { recursive: true }));

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}
const read = (path: string) => readFile(join(root, path), 'utf8').catch(() => null);
const boot = () => exec([script], { env: { PATH: process.env['PATH'] ?? '', RALPH_ROOT: root } });
const key = () => read('etc/ssh/ssh_host_ed25519_key.pub');

/** A disk that was in use by a VM. */
async function used(name: string): Promise<string | null> {
  await boot();
  await put('etc/hostname', `${name}\n`);
  await put('etc/machine-id', `${'f'.repeat(32)}\n`);
  await put('var/lib/ralph/jobs/it-1/job', 'TOKEN=rft_secret');
  await put('var/lib/systemd/random-seed', 'seed');
  return key();
}

it('makes a key at the first boot, and keeps it at the next', async () => {
  await put('etc/hostname', 'ralph\n');
  await put('etc/machine-id', '');
  await boot();
  const made = await key();
  expect(made).toMatch(/^ssh-ed25519 /);
  await boot();
  expect([await key(), await read('etc/machine-id')]).toEqual([made, '']);
  expect((await readdir(join(root, 'etc/ssh'))).toSorted()).toEqual([
    'ssh_host_ed25519_key',
    'ssh_host_ed25519_key.pub',
  ]);
});

it('leaves a VM on its own disk what it is', async () => {
  const before = await used('rf-0000000c');
  await boot();
  expect([await key(), await read('etc/machine-id')]).toEqual([before, `${'f'.repeat(32)}\n`]);
  expect(await read('var/lib/ralph/jobs/it-1/job')).not.toBe(null);
});

it('on a copy of another VM’s disk takes away who that was, and its tokens', async () => {
  const before = await used('rf-0000000a');
  await boot();
  expect(await key()).not.toBe(before);
  expect(await key()).toMatch(/^ssh-ed25519 /);
  expect(await read('etc/machine-id')).toBe(`${uuid.replaceAll('-', '')}\n`);
  expect(await read('etc/hostname')).toBe('ralph\n');
  expect(await read('var/lib/ralph/jobs/it-1/job')).toBe(null);
  expect(await read('var/lib/systemd/random-seed')).toBe(null);
});

it('on a machine that tells no uuid changes nothing', async () => {
  const before = await used('rf-0000000a');
  await rm(join(root, 'sys'), { recursive: true });
  await boot();
  expect(await key()).toBe(before);
});
