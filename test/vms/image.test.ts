import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channelUses } from '../../src/domain/endpoint.ts';
import type { BuiltImage } from '../../src/images/builder.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec, type ExecResult } from '../../src/lib/exec.ts';
import { testImage, testImageBuilder, testImagePaths } from '../fixtures/image.ts';
import { leftoversOf } from '../support/leftovers.ts';

const exec = createExec();
const clock = createSystemClock();
const cut = new AbortController();
let dir: string;
let image: BuiltImage;
let vm: Promise<unknown> = Promise.resolve();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rf-image-'));
  image = await testImage();
  await exec(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(dir, 'key')]);
});

afterAll(async () => {
  cut.abort();
  await vm;
  await rm(dir, { recursive: true, force: true });
  expect(await leftoversOf(dir)).toEqual([]);
});

describe('the Debian image, before it is booted', () => {
  it('holds no identity and no private key', async () => {
    const raw = join(dir, 'raw');
    await exec(['qemu-img', 'convert', '-O', 'raw', image.path, raw], { timeoutMs: 120_000 });
    const inside = async (command: string) => (await exec(['/usr/sbin/debugfs', '-R', command, raw])).stdout;
    expect(await inside('cat /etc/machine-id')).toBe('');
    expect(await inside('cat /etc/ralph/guest.json')).toContain(image.key);
    expect(await inside('ls -p /etc/ssh')).not.toContain('ssh_host_');
    expect(await inside('ls -p /root')).not.toContain('.ssh');
    expect(await inside('ls -p /var/lib/systemd')).not.toMatch(/random-seed|credential/);
    expect(await inside('ls -p /var/lib/dbus')).not.toContain('machine-id');
    expect(await inside('cat /etc/shadow')).not.toMatch(/^[^:]+:[^!*]/m);
    // What every OpenSSH private key starts with, and what the usual tokens look like.
    const found = await exec(['grep', '-c', '-a', '-E', 'b3BlbnNzaC1rZXktdjE|sk-ant-[a-z0-9]{6,}-', raw], {
      okExitCodes: [0, 1],
    });
    expect(found.stdout.trim()).toBe('0');
    await rm(raw);
  });

  it('is found again, not built, and leaves nothing beside it', async () => {
    const seen: string[] = [];
    const builder = testImageBuilder('http://127.0.0.1:1/debian');
    expect(await builder.build((what) => seen.push(what))).toEqual(image);
    expect(seen).toEqual([]);
    expect((await readdir(testImagePaths().images)).filter((name) => name.includes(`${image.key}.`))).toEqual([]);
  });
});

describe('the Debian image, booted', () => {
  beforeAll(async () => {
    await boot();
    await login();
  });

  it('keeps the guest contract', async () => {
    const report = JSON.parse((await ssh('control', 'ralph-verify')).stdout);
    expect(report).toMatchObject({
      ok: true,
      problems: [],
      contract: 1,
      image: image.key,
      tools: image.contract.tools,
    });
    expect(image.contract.tools).toMatchObject({
      node: expect.stringMatching(/^24\./),
      jj: expect.anything(),
      npm: expect.anything(),
    });
  });

  it('has every guest script', async () => {
    const scripts = (await readdir('src/guest/scripts')).filter((name) => !name.includes('.'));
    const there = (await ssh('people', 'ls /usr/local/bin')).stdout.split('\n');
    expect(there).toEqual(expect.arrayContaining(scripts));
  });

  it('takes its name and clock', async () => {
    const answer = JSON.parse((await ssh('spare', `ralph-identity rf-0a1b2c3d ${Date.now()}`)).stdout);
    expect(answer).toMatchObject({ hostname: 'rf-0a1b2c3d', machineId: expect.stringMatching(/^[0-9a-f]{32}$/) });
    const refused = await ssh('spare', "ralph-identity 'a;reboot' 1", [2]);
    expect(refused.stderr).toContain('is no host name');
  });

  it('serves one connection after the other, also after cuts in both directions', async () => {
    for (let round = 0; round < 5; round++) {
      const stop = new AbortController();
      const flood = round % 2 === 0 ? 'cat /dev/zero' : 'yes';
      const busy = exec(sshArgv('control', `echo started; ${flood}`), {
        signal: stop.signal,
        onOutput: () => stop.abort(),
      });
      await expect(busy).rejects.toMatchObject({ name: 'AbortError' });
      expect((await ssh('control', `echo round ${round}`)).stdout).toBe(`round ${round}\n`);
    }
  });

  it('has no network beyond its loopback', async () => {
    expect((await ssh('control', 'ls /sys/class/net')).stdout.trim()).toBe('lo');
    const outside = await ssh('control', "su ralph1 -c 'curl -sS -m 5 http://192.0.2.1/'", [6, 7, 28]);
    expect(outside.exitCode).not.toBe(0);
  });
});

async function boot(): Promise<void> {
  if (image.boot === null) throw new Error('no boot files');
  const disk = join(dir, 'disk.qcow2');
  await exec(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', image.path, '-F', 'qcow2', disk, '12G']);
  const publicKey = Buffer.from(await readFile(join(dir, 'key.pub'))).toString('base64');
  const ports = channelUses.flatMap((use, at) => [
    ...['-chardev', `socket,id=${use},path=${join(dir, `${use}.sock`)},server=on,wait=off`],
    ...['-device', `virtserialport,bus=ports.0,nr=${at + 1},chardev=${use},name=org.ralph-fleet.ssh.${use}`],
  ]);
  const argv = [
    ...[
      'qemu-system-x86_64',
      '-machine',
      'q35',
      '-accel',
      'tcg,thread=multi',
      '-cpu',
      'max',
      '-smp',
      '2',
      '-m',
      '1024',
    ],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-serial', `file:${join(dir, 'console')}`],
    ...['-kernel', image.boot.kernel, '-initrd', image.boot.initrd, '-append', image.boot.cmdline],
    ...['-drive', `file=${disk},if=none,id=disk,cache=unsafe`, '-device', 'virtio-blk-pci,drive=disk'],
    ...['-device', 'virtio-rng-pci', '-device', 'vmgenid,guid=auto', '-device', 'virtio-serial-pci,id=ports', ...ports],
    ...['-smbios', `type=11,value=io.systemd.credential.binary:ssh.authorized_keys.root=${publicKey}`],
  ];
  vm = exec(argv, { signal: cut.signal }).catch((error: unknown) => error);
}

/** Tries until the guest lets us in; a QEMU that ended says why. */
async function login(): Promise<void> {
  const deadline = Date.now() + 300_000;
  for (;;) {
    const ended = await Promise.race([vm, ssh('control', 'true', [0, 255])]);
    if (ended instanceof Error) throw ended;
    if ((ended as ExecResult).exitCode === 0) return;
    if (Date.now() > deadline) throw new Error(`no login; console: ${await readFile(join(dir, 'console'), 'utf8')}`);
    await clock.sleep(300);
  }
}

function sshArgv(use: string, command: string): string[] {
  const options = [
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'ConnectTimeout=20',
    'BatchMode=yes',
  ];
  options.push(`ProxyCommand=socat - UNIX-CONNECT:${join(dir, `${use}.sock`)}`);
  return ['ssh', '-i', join(dir, 'key'), ...options.flatMap((option) => ['-o', option]), 'root@guest', command];
}

async function ssh(use: string, command: string, okExitCodes: number[] = [0]): Promise<ExecResult> {
  return await exec(sshArgv(use, command), { okExitCodes, timeoutMs: 60_000 });
}
