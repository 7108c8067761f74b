import { type Found, found } from '../../src/credentials/found.ts';
import { FleetError } from '../../src/lib/errors.ts';
import type { Exec } from '../../src/lib/exec.ts';
import { resolvePaths } from '../../src/lib/paths.ts';
import { preflightChecks } from '../../src/preflight/checks.ts';
import { type PreflightContext, runPreflight } from '../../src/preflight/preflight.ts';
import type { Upkeep } from '../../src/preflight/upkeep.ts';

/** A host where all is well; each test changes what it is about. */
const printed: Record<string, string> = {
  git: 'git version 2.39.5\n',
  jj: 'jj 0.46.0-abc\n',
  tmux: 'tmux 3.3a\n',
  ssh: '',
  virsh: '11.3.0\n',
  'qemu-system-x86_64': 'QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright (c) 2003-2025\n',
};

export function fakeExec(change: Record<string, string | FleetError | 'hangs'> = {}): Exec {
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

export function credentialAt(it: Found): PreflightContext['credential'] & object {
  return {
    running: async () => null,
    source: async () => ({ from: 'env', name: 'ANTHROPIC_API_KEY' }),
    look: async () => it,
  };
}

export function upkeep(change: Partial<Upkeep> = {}): Upkeep {
  const cache = { images: 1, prepared: 0, templates: 2, bytes: 900 * 2 ** 20, hollow: [] };
  return { leftovers: async () => [], cache: async () => cache, readableByOthers: async () => [], ...change };
}

export function context(change: Partial<PreflightContext> = {}): PreflightContext {
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

export const checks = preflightChecks({ platform: 'linux', arch: 'x64' });

export async function find(id: string, ctx: PreflightContext) {
  const result = await runPreflight(ctx, checks);
  return { ...result.checks.find((check) => check.id === id), ready: result.ready };
}
