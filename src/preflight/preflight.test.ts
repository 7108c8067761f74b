import { describe, expect, it } from 'vitest';
import { absent, type Found, found } from '../credentials/found.ts';
import type { DriverProbe } from '../drivers/driver.ts';
import { FleetError } from '../lib/errors.ts';
import type { Exec } from '../lib/exec.ts';
import { resolvePaths } from '../lib/paths.ts';
import { preflightChecks } from './checks.ts';
import { mendAll } from './mend.ts';
import { type PreflightCheck, type PreflightContext, runPreflight } from './preflight.ts';
import type { Upkeep } from './upkeep.ts';

const printed: Record<string, string> = {
  git: 'git version 2.39.5\n',
  jj: 'jj 0.46.0-abc\n',
  tmux: 'tmux 3.3a\n',
  ssh: '',
  virsh: '11.3.0\n',
  'qemu-system-x86_64': 'QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright (c) 2003-2025\n',
};

function fakeExec(change: Record<string, string | FleetError | 'hangs'> = {}): Exec {
  return (argv, options) => {
    const name = argv[0] ?? '';
    const answer = change[name] ?? printed[name];
    if (answer === undefined) return Promise.reject(new FleetError('command_missing', `Cannot run \`${name}\``));
    if (answer === 'hangs') {
      const what = `\`${name}\` did not end within ${options?.timeoutMs} ms.`;
      return options?.timeoutMs === undefined
        ? new Promise(() => {})
        : Promise.reject(new FleetError('command_timed_out', what));
    }
    if (answer instanceof FleetError) return Promise.reject(answer);
    return Promise.resolve({ exitCode: 0, stdout: answer, stderr: name === 'ssh' ? 'OpenSSH_9.2p1 Debian-2\n' : '' });
  };
}

function credentialAt(it: Found): PreflightContext['credential'] & object {
  return {
    running: async () => null,
    source: async () => ({ from: 'env', name: 'ANTHROPIC_API_KEY' }),
    look: async () => it,
  };
}

function upkeep(change: Partial<Upkeep> = {}): Upkeep {
  const cache = { images: 1, prepared: 0, templates: 2, bytes: 900 * 2 ** 20, hollow: [] };
  return { leftovers: async () => [], cache: async () => cache, readableByOthers: async () => [], ...change };
}

function context(change: Partial<PreflightContext> = {}): PreflightContext {
  return {
    exec: fakeExec(),
    clock: { now: () => Date.UTC(2026, 10, 21), sleep: () => new Promise(() => {}), after: () => () => {} },
    host: {
      platform: 'linux',
      env: { ANTHROPIC_API_KEY: 'not-a-real-key-000' },
      cores: 4,
      memory: async () => ({ totalMiB: 24_000, availableMiB: 19_000 }),
      freeDiskMiB: async () => 100_000,
      writable: async (path) => ({ folder: path, writable: true }),
      exists: async () => false,
      head: async () => null,
    },
    paths: resolvePaths({ HOME: '/home/u' }),
    driver: async () => ({
      name: 'libvirt',
      wall: 'device',
      probe: async () => ({ available: true, version: '11.3.0', accel: 'kvm', problems: [] }),
      list: async () => [],
      space: async () => ({ vms: new Map(), snapshots: new Map() }),
    }),
    builder: async () => ({ name: 'debian', probe: async () => ({ available: true, problems: [] }) }),
    wanted: {
      vms: { count: 'auto', size: { cpus: 2, memoryMiB: 2048, diskGiB: 20 }, warm: 1, snapshots: 0 },
      roles: { implementer: 1, reviewer: 0 },
      host: { keepFreeDiskGiB: 2, keepFreeMemoryMiB: 1024 },
      atOnce: 2,
    },
    credential: credentialAt(found('not-a-real-key-000')),
    upkeep: upkeep(),
    stateVersion: 3,
    setupCommand: 'scripts/setup',
    nodeVersion: '24.21.0',
    ...change,
  };
}

const checks = preflightChecks({ platform: 'linux', arch: 'x64' });

async function find(id: string, ctx: PreflightContext) {
  const result = await runPreflight(ctx, checks);
  return { ...result.checks.find((check) => check.id === id), ready: result.ready };
}

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

describe('upkeep', () => {
  const left = (name: string, remove: () => Promise<void>) =>
    ({ kind: 'leftover', name, why: 'half built', sizeBytes: 3 * 2 ** 20, remove }) as const;

  it('says what the cache holds', async () => {
    expect((await find('cache', context())).found).toBe('1 image, 0 prepared disks, 2 templates, 900 MiB');
  });

  it('mends one thing after the other, each told before and after; what fails keeps nothing back', async () => {
    const told: string[] = [];
    const gone: string[] = [];
    const leftovers = async () => [
      left('/c/.a', () => Promise.reject(new FleetError('storage', 'busy'))),
      left('/c/.b', async () => void gone.push('b')),
    ];
    const ctx = context({ upkeep: upkeep({ leftovers }) });
    const result = await runPreflight(ctx, checks);
    expect(result).toMatchObject({ ready: true, warned: 1 });
    expect(gone).toEqual([]);
    const mended = await mendAll(result, {
      before: (what) => void told.push(what),
      after: ({ how }) => void told.push(how),
    });
    expect(told).toEqual(['remove /c/.a (half built, 3 MiB)', 'busy', 'remove /c/.b (half built, 3 MiB)', 'removed']);
    expect(mended.map(({ check, done }) => [check, done])).toEqual([
      ['leftovers', false],
      ['leftovers', true],
    ]);
  });

  it('says what snapshots take, and which were cut off or are nobody’s', async () => {
    const host = { ...context().host, exists: async () => true };
    const look = async (sizes: (number | null)[], more = {}) => {
      const snapshots = new Map(sizes.map((bytes, n) => [`5a9e000${n}`, bytes]));
      const space = async () => ({ vms: new Map(), snapshots });
      const { state, found } = await find(
        'snapshots',
        context({ driver: async () => ({ ...(await context().driver()), space }), ...more }),
      );
      return [state, found];
    };
    const size = 300 * 2 ** 20;
    expect(await look([], { host })).toEqual(['ok', 'none']);
    expect(await look([size, size], { host })).toEqual(['ok', '2 snapshots, 600 MiB']);
    expect(await look([size, null], { host })).toEqual(['warn', '1 snapshot, 300 MiB; 1 copy cut off']);
    expect(await look([size])).toEqual(['warn', '1 snapshot, 300 MiB; no database knows of them']);
    const silent = async () => ({ ...(await context().driver()), space: () => Promise.reject(new Error('no')) });
    expect((await find('snapshots', context({ driver: silent }))).state).toBe('skip');
  });

  it('names VMs that no database knows of, and lets those be that one may know', async () => {
    const driver = async () => ({
      ...(await context().driver()),
      list: async () => [{ id: '0000000a', state: 'off' as const }],
    });
    expect(await find('vms', context({ driver }))).toMatchObject({
      state: 'warn',
      found: '1 VM of this fleet, and no database knows of them: rf-0000000a',
    });
    const host = { ...context().host, exists: async () => true };
    expect(await find('vms', context({ driver, host }))).toMatchObject({ state: 'ok', found: '1 VM of this fleet' });
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
