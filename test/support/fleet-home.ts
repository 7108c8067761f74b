import { constants } from 'node:fs';
import { chmod, copyFile, link, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '../../src/client/client.ts';
import { askReady } from '../../src/client/ensure-daemon.ts';
import type { FleetView, TaskRow } from '../../src/contract/fleet-view.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec, type ExecResult } from '../../src/lib/exec.ts';
import { type Paths, resolvePaths } from '../../src/lib/paths.ts';
import { until } from './gateway-process.ts';
import { inetSocketsOf, isLoopback } from './inet-sockets.ts';
import { domainsOf, leftoversOf, processesOf, tracesOf, virsh } from './leftovers.ts';

/** A home of its own for one whole fleet with real VMs, and what a person does in it: commands of the CLI, and looks. */
export interface FleetHome {
  root: string;
  env: Record<string, string>;
  paths: Paths;
  client: Client;
  cli(args: readonly string[], more?: { env?: Record<string, string>; timeoutMs?: number }): Promise<ExecResult>;
  /** A command that must succeed, with `--json`. */
  json<T>(args: readonly string[]): Promise<T>;
  view(): Promise<FleetView>;
  /** Waits for what `status --json` shows; on the way down a daemon may be away for a moment. */
  see<T>(what: string, ask: (view: FleetView) => T | Promise<T>, deadlineMs?: number): Promise<NonNullable<T>>;
  /** Waits until the task is in one of the phases; one that needs a person instead fails at once. */
  task(id: string, phases: readonly string[], deadlineMs?: number): Promise<TaskRow>;
  daemonPid(): Promise<number>;
  gatewayPid(): Promise<number>;
  /** Names of this home's domains in libvirt: running ones, or all. */
  domains(which: 'running' | 'all'): Promise<string[]>;
  /** What this home has on the machine now: processes and VMs. */
  traces(): Promise<string[]>;
  /** Takes the fleet down and away as a person would; throws when anything of it is left. */
  close(): Promise<void>;
}

export const exec = createExec();
const clock = createSystemClock();
const checkout = fileURLToPath(new URL('../..', import.meta.url));
const anyExit = Array.from({ length: 256 }, (_, code) => code);
const minutes = 60_000;

export async function createFleetHome(more: Record<string, string> = {}): Promise<FleetHome> {
  const jj = (await exec([join(checkout, 'scripts/install-jj')], { timeoutMs: 5 * minutes })).stdout.trim();
  // Under root QEMU is a user of its own, who must be able to enter.
  const root = await mkdtemp(join(tmpdir(), 'rf-home-'));
  await chmod(root, 0o755);
  const env: Record<string, string> = {
    PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
    LANG: 'C.UTF-8',
    HOME: root,
    TMPDIR: join(root, 'tmp'),
    TMUX_TMPDIR: join(root, 'tmp'),
    XDG_CONFIG_HOME: join(root, 'config'),
    XDG_STATE_HOME: join(root, 'state'),
    XDG_CACHE_HOME: join(root, 'cache'),
    XDG_RUNTIME_DIR: join(root, 'run'),
    GIT_CONFIG_GLOBAL: join(root, '.gitconfig'),
    ...more,
  };
  const paths = resolvePaths(env);
  await mkdir(join(root, 'tmp'));
  await mkdir(dirname(paths.tools), { recursive: true });
  await symlink(dirname(dirname(jj.split('\n').at(-1) ?? '')), paths.tools);
  await exec(['git', 'config', '--global', 'user.name', 'Ada Person'], { env });
  await exec(['git', 'config', '--global', 'user.email', 'ada@example.org'], { env });
  await linkImages(sharedImages(), paths.images);
  return fleetHome(root, env, paths);
}

function fleetHome(root: string, env: Record<string, string>, paths: Paths): FleetHome {
  const client = createClient({ socketPath: paths.daemonSocket, clock });
  const cli: FleetHome['cli'] = (args, more = {}) =>
    exec([process.execPath, '--disable-warning=ExperimentalWarning', join(checkout, 'src/cli/bin.js'), ...args], {
      cwd: root,
      env: { ...env, ...more.env },
      timeoutMs: more.timeoutMs ?? 2 * minutes,
      okExitCodes: anyExit,
    });
  const view = () => client.call('fleet');
  const see: FleetHome['see'] = async (what, ask, deadlineMs = 5 * minutes) => {
    let last: FleetView | null = null;
    const look = async () => {
      last = await view().catch(() => null);
      return last === null ? null : ask(last);
    };
    return until(what, look, deadlineMs).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${JSON.stringify(last, null, 1)}\n${await logTail(paths)}`);
    });
  };
  const home: FleetHome = {
    root,
    env,
    paths,
    client,
    cli,
    view,
    see,
    async json(args) {
      const { exitCode, stdout, stderr } = await cli([...args, '--json']);
      if (exitCode !== 0) throw new Error(`ralph-fleet ${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`);
      return JSON.parse(stdout);
    },
    task: (id, phases, deadlineMs) =>
      see(
        `${id} ${phases.join(' or ')}`,
        ({ tasks }) => tasks.find((t) => t.id === id && phases.includes(t.phase)),
        deadlineMs,
      ),
    daemonPid: async () => (await askReady({ paths }))?.pid ?? 0,
    gatewayPid: async () => Number(await readFile(`${paths.gatewayLock}.pid`, 'utf8').catch(() => 0)),
    domains: (which) => domainsOf(root, which),
    traces: () => tracesOf(root),
    close: () => close(home),
  };
  return home;
}

async function close(home: FleetHome): Promise<void> {
  const problems: string[] = [];
  const note = (what: string) => (error: unknown) => void problems.push(`${what}: ${error}`);
  await linkImages(home.paths.images, sharedImages()).catch(() => {});
  const vmIds = vmIdsOf(home);
  problems.push(...(await openToOthers(home.root)));
  if (await isThere(home.paths.state)) {
    await home.json(['down', '--delete', '--yes']).catch(note('down --delete'));
    await home.see('no VM', (view) => view.vms.every((vm) => vm.phase === 'gone'), 2 * minutes).catch(note('down'));
    await home.json(['purge', '--yes']).catch(note('purge'));
  }
  const { env } = home;
  await exec(['tmux', 'kill-server'], { env, okExitCodes: [0, 1] }).catch(() => {});
  await until('nothing left', async () => (await home.traces()).length === 0, 20_000).catch(() => {});
  problems.push(...(await leftoversOf(home.root, vmIds)).map((trace) => `left: ${trace}`));
  await clear(home.root);
  for (const folder of [home.paths.state, home.paths.runtime, home.paths.cache]) {
    if (await isThere(folder)) problems.push(`left: ${folder}: ${(await readdir(folder)).join(' ')}`);
  }
  const temporary = (await readdir(join(home.root, 'tmp'))).filter((name) => !/^(tmux-|node-compile-cache)/.test(name));
  problems.push(...temporary.map((name) => `left in TMPDIR: ${name}`));
  await rm(home.root, { recursive: true, force: true });
  if (problems.length > 0) throw new Error(`The fleet did not go away by itself.\n${problems.join('\n')}`);
}

/** Nothing of a fleet waits for connections beyond the host's own loopback, while it runs. */
async function openToOthers(root: string): Promise<string[]> {
  const pids = (await processesOf(root)).map((line) => Number.parseInt(line, 10));
  const beyond = (await inetSocketsOf(pids)).filter((socket) => socket.listens && !isLoopback(socket));
  return beyond.map(({ protocol, local }) => `listens beyond loopback: ${protocol} ${local}`);
}

/** All there ever were; none where there is no database to ask. */
function vmIdsOf(home: FleetHome): string[] {
  try {
    return fleetRows(home, 'SELECT id FROM vms').map((row) => String((row as { id: string }).id));
  } catch {
    return [];
  }
}

/** Whatever a broken fleet left: by process id and by domain, and only what is of this home. */
async function clear(root: string): Promise<void> {
  for (const trace of await processesOf(root)) {
    try {
      process.kill(Number.parseInt(trace, 10), 'SIGKILL');
    } catch {}
  }
  for (const name of await domainsOf(root, 'all')) {
    await exec([...virsh, 'destroy', name], { okExitCodes: [0, 1] });
    await exec([...virsh, 'undefine', name], { okExitCodes: [0, 1] });
  }
}

/** What the daemon's database says, for what no face shows; read only. */
export function fleetRows(home: FleetHome, sql: string, ...values: (string | number | null | undefined)[]): unknown[] {
  const db = new DatabaseSync(home.paths.fleetDb, { readOnly: true });
  try {
    return db
      .prepare(sql)
      .all(...values.map((value) => value ?? null))
      .map((row) => ({ ...row }));
  } finally {
    db.close();
  }
}

/** Built images outlive the homes of single tests. */
function sharedImages(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'ralph-fleet-tests/images');
}

/** Each whole image that `to` does not have; hard links where they share a file system. */
async function linkImages(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const key of await readdir(from).catch(() => [])) {
    if (!/^[0-9a-f]{16}$/.test(key) || (await isThere(join(to, key)))) continue;
    const names = await readdir(join(from, key));
    if (!names.includes('guest.json') || !names.includes('image.qcow2')) continue; // being removed
    const aside = await mkdtemp(join(to, '.aside-'));
    await chmod(aside, 0o755);
    for (const name of names) {
      const [source, target] = [join(from, key, name), join(aside, name)];
      await link(source, target).catch(() => copyFile(source, target, constants.COPYFILE_FICLONE));
    }
    await rename(aside, join(to, key));
  }
}

async function logTail(paths: Paths): Promise<string> {
  const text = await readFile(join(paths.logs, 'daemon.log'), 'utf8').catch(() => '');
  return text.slice(-6000);
}

async function isThere(path: string): Promise<boolean> {
  return readdir(path).then(
    () => true,
    () => false,
  );
}
