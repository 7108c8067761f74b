import { describe, expect, it } from 'vitest';
import { checks, context, credentialAt, fakeExec, find } from '../../test/support/preflight-context.ts';
import { absent, found } from '../credentials/found.ts';
import type { DriverProbe } from '../drivers/driver.ts';
import { FleetError } from '../lib/errors.ts';
import { type PreflightCheck, runPreflight } from './preflight.ts';

describe('the whole preflight', () => {
  it('is ready when all is there, with every check reported in order', async () => {
    const result = await runPreflight(context(), checks);
    expect(result.checks.filter((check) => check.state !== 'ok')).toEqual([]);
    expect(result).toMatchObject({ ready: true, failed: 0, warned: 0 });
    expect(result.checks.map((check) => check.id)).toEqual(checks.map((check) => check.id));
  });

  it('reports every failure together, each with a remedy', async () => {
    const broken = context({
      exec: () => Promise.reject(new FleetError('command_missing', 'x')),
      nodeVersion: '20.1.0',
    });
    const result = await runPreflight(broken, checks);
    const failed = result.checks.filter((check) => check.state === 'fail');
    expect(failed.map((check) => check.id)).toEqual(['virsh', 'qemu', 'git', 'jj', 'tmux', 'ssh', 'node']);
    expect(failed.every((check) => check.remedy)).toBe(true);
    expect(result.ready).toBe(false);
  });

  it('asks the driver once, whoever wants to know', async () => {
    let asked = 0;
    const probe = async () => {
      asked += 1;
      return { available: true, version: null, accel: null, problems: [] };
    };
    await runPreflight(context({ driver: async () => ({ name: 'fake', wall: 'device', probe }) }), checks);
    expect(asked).toBe(1);
  });

  it('ends a check that never answers, at its deadline, and the others are not touched', async () => {
    const hanging: PreflightCheck = {
      id: 'h',
      title: 'h',
      why: 'w',
      deadlineMs: 7000,
      run: () => new Promise(() => {}),
    };
    const quick: PreflightCheck = { id: 'q', title: 'q', why: 'w', run: async () => ({ state: 'ok', found: 'x' }) };
    const clock = {
      now: () => Date.UTC(2026, 10, 21),
      sleep: (ms: number) => (ms === 7000 ? Promise.resolve() : new Promise<void>(() => {})),
      after: () => () => {},
    };
    const result = await runPreflight(context({ clock }), [hanging, quick]);
    expect(result.checks.map((check) => [check.state, check.found])).toEqual([
      ['fail', 'no answer within 7 s'],
      ['ok', 'x'],
    ]);
  });

  it('turns a check that throws into a failure', async () => {
    const bad: PreflightCheck = { id: 'b', title: 'b', why: 'w', run: () => Promise.reject(new TypeError('oops')) };
    expect((await runPreflight(context(), [bad])).checks[0]).toMatchObject({ state: 'fail', found: 'oops' });
  });
});

describe.each([
  ['git', 'git', 'git version 2.11.0'],
  ['jj', 'jj', 'jj 0.9.1'],
  ['tmux', 'tmux', 'tmux 2.9'],
  ['virsh', 'virsh', '8.0.0'],
  ['qemu', 'qemu-system-x86_64', 'QEMU emulator version 6.2.0'],
])('%s', (id, command, old) => {
  it('missing fails and names the command', async () => {
    const exec = fakeExec({ [command]: new FleetError('command_missing', 'x') });
    expect(await find(id, context({ exec }))).toMatchObject({
      state: 'fail',
      found: `no command \`${command}\``,
      remedy: 'scripts/setup',
      ready: false,
    });
  });

  it('too old fails and says what is needed', async () => {
    const finding = await find(id, context({ exec: fakeExec({ [command]: old }) }));
    expect(finding).toMatchObject({ state: 'fail', ready: false });
    expect(finding.found).toMatch(/ or newer is needed$/);
  });

  it('hanging fails', async () => {
    const finding = await find(id, context({ exec: fakeExec({ [command]: 'hangs' }) }));
    expect(finding).toMatchObject({ state: 'fail', found: `\`${command}\` hangs: no version within 5 s` });
  });

  it.each(['', '\0\0\u{1F600}', 'version', '{"half":', '9'.repeat(100_000)])(
    'printing garbage fails',
    async (garbage) => {
      const finding = await find(id, context({ exec: fakeExec({ [command]: garbage }) }));
      expect(finding).toMatchObject({ state: 'fail', found: `\`${command}\` does not say its version` });
    },
  );

  it('that does not run fails with what it said', async () => {
    const exec = fakeExec({ [command]: new FleetError('command_failed', `\`${command}\` ended with 127: no libc`) });
    expect((await find(id, context({ exec }))).found).toContain('no libc');
  });
});

describe('virtualisation', () => {
  const answering = (probe: DriverProbe) =>
    context({ driver: async () => ({ name: 'libvirt', wall: 'device', probe: async () => probe }) });

  it('warns plainly under software emulation, and `up` still works', async () => {
    const ctx = answering({ available: true, version: '11.3.0', accel: 'tcg', problems: [] });
    expect(await find('acceleration', ctx)).toMatchObject({
      state: 'warn',
      found: 'none in hardware: software emulation, starts are about 10x slower',
      ready: true,
    });
  });

  it('fails with the driver’s own remedies when its daemon does not answer', async () => {
    const problems = [{ what: 'libvirtd does not answer', remedy: 'sudo systemctl start libvirtd' }];
    const ctx = answering({ available: false, version: null, accel: null, problems });
    expect(await find('driver', ctx)).toMatchObject({
      state: 'fail',
      found: 'libvirt: libvirtd does not answer',
      remedy: 'sudo systemctl start libvirtd',
    });
    expect(await find('acceleration', ctx)).toMatchObject({ state: 'skip' });
  });

  it('reports a driver that cannot even be chosen, once', async () => {
    const driver = () =>
      Promise.reject(new FleetError('invalid_file', 'There is no driver `x`.', { remedy: 'driver: auto' }));
    expect(await find('driver', context({ driver }))).toMatchObject({
      state: 'fail',
      found: 'There is no driver `x`.',
      remedy: 'driver: auto',
    });
    expect(await find('acceleration', context({ driver }))).toMatchObject({ state: 'skip' });
  });

  it('reads virsh 9 as usable but untested', async () => {
    expect(await find('virsh', context({ exec: fakeExec({ virsh: '9.0.0' }) }))).toMatchObject({
      state: 'warn',
      ready: true,
    });
  });
});

describe('room', () => {
  const withMemory = (availableMiB: number) =>
    context({ host: { ...context().host, memory: async () => ({ totalMiB: 8192, availableMiB }) } });

  it.each([
    [19_000, 'ok'],
    [3500, 'warn'],
    [2000, 'fail'],
    [0, 'fail'],
  ])('%i MiB of memory for 2 VMs of 2 GiB: %s', async (available, state) => {
    expect((await find('memory', withMemory(available))).state).toBe(state);
  });

  it('says how many VMs fit', async () => {
    expect((await find('memory', withMemory(3500))).found).toBe(
      '8 GiB, 3.4 GiB free: room for 1 VM of 2 GiB, 2 asked; the others wait',
    );
  });

  it('suggests sizes with which all that is asked for would fit', async () => {
    const asked = { ...context().wanted, roles: { implementer: 3, reviewer: 1 } };
    const finding = await find('memory', { ...withMemory(7500), wanted: asked });
    expect(finding.state).toBe('warn');
    expect(finding.remedy).toBe(
      '5 VMs of 2 GiB are asked for, 2 fit on 8 GiB of memory: the others wait; all would with `vms: {memoryMiB: 1024}` in fleet.yaml',
    );
  });

  it('names the fullest place when the disk is short', async () => {
    const paths = context().paths;
    const freeDiskMiB = async (path: string) => (path === paths.images ? 900 : 90_000);
    const finding = await find('disk', context({ host: { ...context().host, freeDiskMiB } }));
    expect(finding).toMatchObject({ state: 'fail' });
    expect(finding.found).toContain(paths.images);
  });
});

describe('the rest', () => {
  it('needs no credential where no agent calls a model, and fails without one otherwise', async () => {
    expect(await find('credential', context({ credential: null }))).toMatchObject({ state: 'skip', ready: true });
    const none = credentialAt(absent('$ANTHROPIC_API_KEY is not set', 'export ANTHROPIC_API_KEY=…'));
    expect(await find('credential', context({ credential: none }))).toMatchObject({
      state: 'fail',
      found: '$ANTHROPIC_API_KEY is not set',
      remedy: 'export ANTHROPIC_API_KEY=…',
    });
    const old = credentialAt(found('token-of-a-login', { isSubscription: true, expiresAt: 0 }));
    expect(await find('credential', context({ credential: old }))).toMatchObject({
      state: 'fail',
      found: '$ANTHROPIC_API_KEY has expired, at 1970-01-01T00:00:00.000Z',
    });
  });

  it('believes a gateway that runs, of the source that is asked for', async () => {
    const there = found('not-a-real-key-000');
    const refused = {
      provider: 'anthropic',
      state: 'refused',
      kind: 'key',
      why: 'turned down (401)',
      remedy: 'another',
    } as const;
    const running = (source: string) => ({ ...credentialAt(there), running: async () => ({ ...refused, source }) });
    expect(await find('credential', context({ credential: running('$ANTHROPIC_API_KEY') }))).toMatchObject({
      state: 'fail',
      found: 'refused: turned down (401)',
      remedy: 'another',
    });
    expect(await find('credential', context({ credential: running('$ANOTHER') }))).toMatchObject({ state: 'ok' });
  });

  it('never shows a credential', async () => {
    expect(JSON.stringify(await runPreflight(context(), checks))).not.toContain('not-a-real-key-000');
  });

  it('fails on a state folder that cannot be written', async () => {
    const host = { ...context().host, writable: async () => ({ folder: '/home/u/.local', writable: false }) };
    expect(await find('state', context({ host }))).toMatchObject({
      state: 'fail',
      found: '`/home/u/.local` cannot be written',
    });
  });

  it.each([
    [3, 'ok'],
    [4, 'fail'],
  ])('layout %i of the database, 3 known: %s', async (version, state) => {
    const head = new Uint8Array(64);
    head.set(new TextEncoder().encode('SQLite format 3\0'));
    head[63] = version;
    const finding = await find('state', context({ host: { ...context().host, head: async () => head } }));
    expect(finding.state).toBe(state);
  });

  it.each(['', 'SQLite', 'x'.repeat(64)])('a database that starts with %j', async (text) => {
    const head = new TextEncoder().encode(text);
    const finding = await find('state', context({ host: { ...context().host, head: async () => head } }));
    expect(finding.state).toBe(text === '' ? 'ok' : 'fail');
  });

  it('fails where a socket’s address would not fit', async () => {
    const paths = { ...context().paths, runtime: `/run/${'é'.repeat(50)}` };
    expect(await find('socket-path', context({ paths }))).toMatchObject({ state: 'fail' });
  });

  it('fails on a clock that is surely wrong', async () => {
    const clock = { ...context().clock, now: () => 0 };
    expect(await find('clock', context({ clock }))).toMatchObject({
      state: 'fail',
      found: 'it says 1970-01-01 00:00 UTC',
    });
  });

  it('fails with the builder’s own remedy', async () => {
    const problems = [{ what: 'no `mmdebstrap`', remedy: 'scripts/setup' }];
    const builder = async () => ({ name: 'debian' as const, probe: async () => ({ available: false, problems }) });
    const found = 'debian: no `mmdebstrap`';
    expect(await find('image', context({ builder }))).toMatchObject({ state: 'fail', found });
  });
});
