import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSource } from '../../src/credentials/sources.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec } from '../../src/lib/exec.ts';
import { resolvePaths } from '../../src/lib/paths.ts';
import { preflightChecks } from '../../src/preflight/checks.ts';
import { createHost } from '../../src/preflight/host.ts';
import { type PreflightContext, runPreflight } from '../../src/preflight/preflight.ts';
import { createUpkeep } from '../../src/preflight/upkeep.ts';

// Real processes and files: tools that are missing, hang, or print what no tool prints.
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ralph-fleet-preflight-'));
  await mkdir(join(folder, 'bin'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function putTool(name: string, script: string): Promise<void> {
  await writeFile(join(folder, 'bin', name), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, 'bin', name), 0o755);
}

/** The key's file, as the gateway would read it. */
function credentialAt(): PreflightContext['credential'] {
  const host = { exec: createExec(), env: {}, platform: 'linux', uid: process.getuid?.() } as const;
  const deps = { ...host, paths: resolvePaths({ HOME: folder }), variable: () => undefined, setVariable: () => '' };
  return {
    running: async () => null,
    source: async () => ({ from: 'file', path: join(folder, 'key') }),
    look: (source) => openSource('anthropic', source, deps).read(),
  };
}

async function look(): Promise<Record<string, string>> {
  const exec = createExec();
  const ctx: PreflightContext = {
    exec: (argv, options) => exec(argv, { ...options, env: { PATH: `${folder}/bin` } }),
    clock: createSystemClock(),
    host: createHost({}),
    paths: resolvePaths({ HOME: folder }),
    driver: async () => ({ name: 'fake', wall: 'device', probe: () => Promise.reject(new Error('probe broke')) }),
    builder: async () => ({ name: 'debian', probe: async () => ({ available: true, problems: [] }) }),
    wanted: {
      vms: { count: 1, size: { cpus: 1, memoryMiB: 256, diskGiB: 1 }, warm: 0, snapshots: 0 },
      roles: { implementer: 1, reviewer: 0 },
      host: { keepFreeDiskGiB: 0.1, keepFreeMemoryMiB: 64 },
      atOnce: 1,
    },
    credential: credentialAt(),
    upkeep: createUpkeep({ paths: resolvePaths({ HOME: folder }), exec, clock: createSystemClock() }),
    stateVersion: 1,
    setupCommand: 'scripts/setup',
    nodeVersion: process.versions.node,
  };
  const { checks } = await runPreflight(ctx, preflightChecks({ platform: 'linux', arch: 'x64' }));
  return Object.fromEntries(checks.map(({ id, state, found }) => [id, `${state}: ${found}`]));
}

it('tells good tools from missing, hanging, loud, failing and lying ones', async () => {
  await putTool('git', 'echo git version 2.45.1');
  await putTool('jj', 'exec /bin/sleep 600');
  await putTool('tmux', '/usr/bin/yes | /usr/bin/head -c 1000000');
  await putTool('ssh', 'echo no such library >&2; exit 127');
  await putTool('virsh', 'printf "\\377\\000\\376"');
  expect(await look()).toMatchObject({
    git: 'ok: git 2.45.1',
    jj: 'fail: `jj` hangs: no version within 5 s',
    tmux: 'fail: `tmux` does not say its version',
    ssh: 'fail: `ssh` does not run: `ssh -V` ended with 127: no such library',
    virsh: 'fail: `virsh` does not say its version',
    qemu: 'fail: no command `qemu-system-x86_64`',
    driver: 'fail: probe broke',
    node: `ok: node ${process.versions.node}`,
  });
});

it('reads room, folders, files and the database of the real host', async () => {
  const empty = await look();
  expect(empty['memory']).toMatch(/^ok: .*: room for \d+ VMs? of 256 MiB, 1 asked$/);
  expect(empty['disk']).toMatch(/^(ok|warn): \d/);
  expect(empty['state']).toMatch(/^ok: .*, new$/);
  expect(empty['credential']).toBe(`fail: there is no \`${folder}/key\``);

  const paths = resolvePaths({ HOME: folder });
  await mkdir(paths.state, { recursive: true });
  const db = new DatabaseSync(paths.fleetDb);
  db.exec('PRAGMA user_version = 2; CREATE TABLE t (x)');
  db.close();
  await writeFile(join(folder, 'key'), 'a-made-up-key', { mode: 0o600 });
  const later = await look();
  expect(later['state']).toBe(`fail: \`${paths.fleetDb}\` has layout 2; this version knows 1`);
  expect(later['credential']).toBe(`ok: from the file \`${folder}/key\``);
  await chmod(join(folder, 'key'), 0o644);
  expect((await look())['credential']).toBe(`fail: others may read or write \`${folder}/key\` (0644)`);
});
