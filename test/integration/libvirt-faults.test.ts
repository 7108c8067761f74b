import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLibvirtDriver } from '../../src/drivers/libvirt/driver.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec, type Exec } from '../../src/lib/exec.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import { resolvePaths } from '../../src/lib/paths.ts';

/** A `virsh` that misbehaves, an executable on a PATH of its own. */
const id = '00badbad';
const uuid = '71001f4e-d669-4e6f-8f29-45ad244dfc94';
const listing = (name = `rf-${id}`) =>
  `${uuid} ${name}\n\nDomain: '${name}'\n  state.state=1\n  state.reason=1\n\nralph-fleet-end`;

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rf-faults-'));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

/** `script` is the body of a shell script; null installs none. `deadlineMs` shortens every deadline. */
async function driverWith(script: string | null, deadlineMs = 20_000) {
  const bin = join(root, 'bin');
  await mkdir(bin, { recursive: true });
  if (script !== null) {
    await writeFile(join(bin, 'virsh'), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, 'virsh'), 0o755);
  }
  const real = createExec();
  // Only this folder is searched, so that no real virsh can answer; the script's own commands stand in /bin.
  const exec: Exec = (argv, options) => {
    const env = { ...options?.env, PATH: argv[0] === 'virsh' ? bin : '/usr/bin:/bin' };
    return real(argv, { ...options, env, timeoutMs: Math.min(options?.timeoutMs ?? deadlineMs, deadlineMs) });
  };
  const paths = resolvePaths({ HOME: root, XDG_RUNTIME_DIR: root });
  const parts = { exec, paths, fleet: 'f', log: createSilentLog(), clock: createSystemClock() };
  return { driver: createLibvirtDriver({ ...parts, accel: async () => 'tcg' }), paths };
}

/** Prints the text byte for byte. */
async function printing(text: string, more = ''): Promise<string> {
  const file = join(root, `said-${Math.random()}`);
  await writeFile(file, text);
  return `/bin/cat ${file}; ${more}`;
}

describe('a virsh that cannot say is never an empty list', () => {
  test('missing', async () => {
    const { driver } = await driverWith(null);
    await expect(driver.list()).rejects.toMatchObject({ code: 'driver_unavailable', remedy: 'scripts/setup' });
    const probe = await driver.probe();
    expect(probe.available).toBe(false);
    expect(probe.problems[0]?.what).toContain('`virsh` is not installed');
  });

  test('hanging', async () => {
    const { driver } = await driverWith('exec /bin/sleep 600', 500);
    await expect(driver.list()).rejects.toMatchObject({ code: 'driver_unavailable' });
    await expect(driver.stop(id, 0)).rejects.toMatchObject({ code: 'driver_unavailable' });
    expect((await driver.probe()).available).toBe(false);
  });

  test('without a daemon', async () => {
    const said = "error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/x': No such file";
    const { driver } = await driverWith(`echo "${said}" >&2; exit 1`);
    const refused = driver.list();
    await expect(refused).rejects.toMatchObject({ code: 'driver_unavailable' });
    await expect(refused).rejects.toMatchObject({ remedy: expect.stringContaining('virtlogd -d; libvirtd -d') });
    await expect(driver.agentAnswers(id)).rejects.toMatchObject({ code: 'driver_unavailable' });
  });

  test('failing without a word, crashing, or failing inside with exit code 0', async () => {
    for (const script of [
      'exit 1',
      'kill -SEGV $$',
      'echo "error: internal error" >&2; printf ralph-fleet-end; exit 0',
    ]) {
      const { driver } = await driverWith(script);
      await expect(driver.list(), script).rejects.toMatchObject({ code: 'driver_unavailable' });
    }
  });

  test('printing half: every cut of a good answer is refused', async () => {
    const whole = listing();
    for (let length = 0; length < whole.length; length += 7) {
      const { driver } = await driverWith(await printing(whole.slice(0, length)));
      await expect(driver.list(), String(length)).rejects.toMatchObject({ code: 'driver_unavailable' });
    }
  });

  test('printing garbage', async () => {
    const junk = [
      '\0\x01\xff\n',
      'x'.repeat(100_000),
      '{"json": true}\n',
      `${uuid} rf-${id}\nDomain: 'rf-${id}'\n  rm -rf /\n`,
    ];
    for (const text of junk) {
      const { driver } = await driverWith(await printing(`${text}ralph-fleet-end`));
      await expect(driver.list(), text.slice(0, 20)).rejects.toMatchObject({ code: 'driver_unavailable' });
    }
  });

  test('without an end', async () => {
    const { driver } = await driverWith('while :; do echo 0123456789012345678901234567890123456789; done');
    await expect(driver.list()).rejects.toMatchObject({ code: 'driver_unavailable' });
  });

  test('a domain whose XML is cut off or garbage', async () => {
    for (const xml of ['', '<domain><name>x</name>', '<domain', 'not xml</domain>']) {
      const answers = `if [ "$5" = "${uuid}" ]; then ${await printing(xml, 'exit 0;')} fi; ${await printing(listing())}`;
      const { driver } = await driverWith(answers);
      await expect(driver.list(), xml).rejects.toMatchObject({ code: 'driver_unavailable' });
    }
  });
});

describe('a virsh whose exit code lies', () => {
  const home = (paths: { state: string }) => createHash('sha256').update(paths.state).digest('hex').slice(0, 12);
  /** One domain of ours whose state stands in a file; `lie` comes in place of what a change of it does. */
  async function lying(state: number, lie: (then: string) => string) {
    const { paths } = await driverWith('exit 1');
    await mkdir(join(paths.vms, id), { recursive: true });
    await writeFile(join(paths.vms, id, 'disk.qcow2'), '');
    const file = join(root, 'state');
    await writeFile(file, String(state));
    const to = (next: number) => `echo ${next} > ${file}`;
    const mark = `<rf:vm xmlns:rf="https://ralph-fleet/1" fleet="f" home="${home(paths)}" id="${id}"/>`;
    const xml = await printing(`<domain><name>rf-${id}</name><metadata>${mark}</metadata></domain>`, 'exit 0');
    const [head, tail] = listing().split('state.state=1');
    const script = `read state < ${file}
case "$4" in
dumpxml) ${xml};;
start|resume) ${lie(to(1))};;
suspend) ${lie(to(3))};;
destroy) ${lie(to(5))};;
*) ${await printing(head ?? '')} printf 'state.state=%s' "$state"; ${await printing(tail ?? '')};;
esac`;
    return (await driverWith(script)).driver;
  }
  const changes = [
    ['start', 5, 'running'],
    ['pause', 1, 'paused'],
    ['resume', 3, 'running'],
    ['stop', 1, 'off'],
  ] as const;
  const make = (driver: Awaited<ReturnType<typeof lying>>, call: (typeof changes)[number][0]) =>
    call === 'stop' ? driver.stop(id, 0) : driver[call](id);

  test.each(changes)('%s that is done and told as failed is done', async (call, from, state) => {
    const driver = await lying(from, (then) => `${then}; echo "error: lost" >&2; exit 1`);
    await make(driver, call);
    expect(await driver.list()).toMatchObject([{ id, state }]);
  });

  test.each(changes)('%s that failed and is told as failed is an error', async (call, from) => {
    const driver = await lying(from, () => 'echo "error: internal error" >&2; exit 1');
    await expect(make(driver, call)).rejects.toMatchObject({ code: 'command_failed' });
  });

  test.each(changes)('%s that failed and is told as done is an error', async (call, from) => {
    const before = { 1: 'running', 3: 'paused', 5: 'off' }[from];
    const driver = await lying(from, () => 'exit 0');
    await expect(make(driver, call)).rejects.toMatchObject({ code: 'command_failed' });
    expect(await driver.list()).toMatchObject([{ id, state: before }]);
  });
});

describe('what virsh and the guest say', () => {
  const ours = (home: string) =>
    `<domain><name>rf-${id}</name><metadata><rf:vm xmlns:rf="https://ralph-fleet/1" fleet="f" home="${home}" id="${id}"/></metadata></domain>`;

  test('foreign domains, whatever their name, are passed over', async () => {
    for (const name of ['rf-00badbad; rm -rf /', "it's", 'rf-', 'ünïcode 🐟', 'Domain: x']) {
      const { driver } = await driverWith(await printing(listing(name)));
      expect(await driver.list(), name).toEqual([]);
    }
    const unmarked = `if [ "$4" = dumpxml ]; then ${await printing(ours('elsewhere'), 'exit 0;')} fi; ${await printing(listing())}`;
    expect(await (await driverWith(unmarked)).driver.list()).toEqual([]);
  });

  test('one that goes while they are listed is not listed', async () => {
    const gone = `if [ "$4" = dumpxml ]; then echo "error: failed to get domain '${uuid}'" >&2; exit 1; fi`;
    const { driver } = await driverWith(`${gone}; ${await printing(listing())}`);
    expect(await driver.list()).toEqual([]);
  });

  test('a failing list removes nothing', async () => {
    const { driver, paths } = await driverWith('exit 1');
    await mkdir(join(paths.vms, id), { recursive: true });
    await expect(driver.remove(id)).rejects.toMatchObject({ code: 'driver_unavailable' });
    expect(await readdir(paths.vms)).toEqual([id]);
  });

  const agentSays = async (open: string, read: string) => {
    const script = `case "$8" in
*guest-file-open*) ${await printing(open)};;
*guest-file-read*) ${await printing(read)};;
*) ${await printing('{"return":{}}')};; esac`;
    return (await driverWith(script)).driver;
  };
  const file = (text: string) =>
    JSON.stringify({ return: { count: text.length, 'buf-b64': Buffer.from(text).toString('base64'), eof: true } });
  const blob = Buffer.from(`0000000b7373682d6564323535313900000020${'ab'.repeat(32)}`, 'hex').toString('base64');

  test('a good host key is taken, without its comment', async () => {
    const driver = await agentSays('{"return":1000}', file(`ssh-ed25519 ${blob} root@guest\n`));
    expect(await driver.hostKey(id)).toBe(`ssh-ed25519 ${blob}`);
  });

  test('an empty file is no key yet', async () => {
    expect(await (await agentSays('{"return":1000}', file(''))).hostKey(id)).toBe(null);
  });

  test.each([
    ['half a reply', '{"return":10', ''],
    ['a handle of the wrong type', '{"return":"/etc/shadow"}', ''],
    ['no reply', '', ''],
    ['a huge reply', '{"return":1}', `{"return":{"buf-b64":"${'A'.repeat(200_000)}"}}`],
    ['what is not base64', '{"return":1}', '{"return":{"buf-b64":"$(reboot)"}}'],
    ['another kind of key', '{"return":1}', file('ssh-rsa AAAAB3NzaC1yc2E= x\n')],
    ['two keys', '{"return":1}', file(`ssh-ed25519 ${blob}\nssh-ed25519 ${blob}\n`)],
    ['a key with shell in it', '{"return":1}', file('ssh-ed25519 $(touch /tmp/x) y\n')],
    [
      'a key of the wrong length',
      '{"return":1}',
      file(`ssh-ed25519 ${blob.slice(0, 64)}AAAA x\n`.replace(/AAAAC3/, 'AAAAC4')),
    ],
  ])('%s is a guest not to be trusted', async (_what, open, read) => {
    const driver = await agentSays(open, read);
    await expect(driver.hostKey(id)).rejects.toMatchObject({ code: 'guest_untrusted' });
  });
});
