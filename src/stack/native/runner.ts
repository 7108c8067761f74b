import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { FleetError } from '../../lib/errors.ts';
import { baseEnvironment, type Exec, spawnDetached } from '../../lib/exec.ts';
import { folderBytes } from '../folder-size.ts';
import { absent, type Runner } from '../runner.ts';
import { loopbackAddresses, type ServiceName, serviceNames, services } from '../services.ts';
import type { StackFolders } from '../state.ts';
import { endProcess, findProcess, makeFolderOf, markAndRun } from './process.ts';
import { commandOf, findProgram } from './programs.ts';

export interface NativeDeps {
  folders: StackFolders;
  env: Record<string, string | undefined>;
  exec: Exec;
  clock: Clock;
}

const shownLines = 20;
const maxLogBytes = 10 * 1024 * 1024;

/** The services as processes of the user, from programs that are on this host. */
export async function createNative(deps: NativeDeps): Promise<Runner> {
  const { folders, exec, clock } = deps;
  const programs = new Map<ServiceName, string>();
  for (const name of serviceNames) {
    const program = await findProgram(name, deps.env['PATH'] ?? '');
    if (program !== null) programs.set(name, program);
  }
  const pidFile = (name: ServiceName) => join(folders.pids, name);
  const logFile = (name: ServiceName) => join(folders.logs, `${name}.log`);
  const dataOf = (name: ServiceName) => join(folders.data, name);

  async function start(name: ServiceName, hash: string, args: string[], env: Record<string, string>): Promise<void> {
    const program = programs.get(name);
    if (program === undefined) throw new FleetError('bug', `There is no program for ${name}.`);
    await mkdir(dataOf(name), { recursive: true, mode: 0o700 });
    for (const file of [pidFile(name), logFile(name)]) await makeFolderOf(file);
    await rotate(logFile(name));
    const command = await commandOf(name, program);
    const logFd = openSync(logFile(name), 'a', 0o600);
    try {
      spawnDetached(['sh', '-c', markAndRun, 'sh', pidFile(name), hash, ...command, ...args], {
        env: { ...baseEnvironment(deps.env), ...env },
        logFd,
        cwd: dataOf(name),
      });
    } finally {
      closeSync(logFd);
    }
    // From here on it is found again, whatever happens to this command.
    for (const until = clock.now() + 10_000; clock.now() < until; await clock.sleep(20))
      if ((await readFile(pidFile(name), 'utf8').catch(() => '')) !== '') return;
    throw new FleetError('command_failed', `${services[name].title} (\`${program}\`) did not begin.`, {
      remedy: `less ${logFile(name)}`,
    });
  }

  return {
    mode: 'native',
    title: 'native processes',
    missing: serviceNames
      .filter((name) => !programs.has(name))
      .map((name) => ({ name, remedy: services[name].comesFrom })),
    passwordFile: folders.password,
    addresses: loopbackAddresses,
    places: (name) => ({ config: join(folders.config, name), data: dataOf(name) }),
    published: (name) => services[name].ports,
    async look(name) {
      const found = await findProcess(pidFile(name), exec);
      if (found === null) return (await exists(pidFile(name))) ? { ...absent, state: 'ended' } : absent;
      const since = await stat(pidFile(name)).then(({ mtime }) => mtime.toISOString());
      return { state: 'running', since, hash: found.hash, what: `${programs.get(name) ?? name}, pid ${found.pid}` };
    },
    async fetch() {},
    async ensure(plan) {
      const found = await findProcess(pidFile(plan.name), exec);
      if (found?.hash === plan.hash) return 'left';
      const ended = await endProcess(pidFile(plan.name), deps);
      await start(plan.name, plan.hash, plan.args, plan.env);
      return ended ? 'replaced' : 'started';
    },
    async lastLines(name) {
      const text = await readFile(logFile(name), 'utf8').catch(() => '');
      return text.trim() === '' ? [] : text.trim().split('\n').slice(-shownLines);
    },
    remove: (name) => endProcess(pidFile(name), deps),
    async removeShared() {
      await rm(folders.pids, { recursive: true, force: true });
    },
    async dataBytes() {
      const all = [...programs.keys()].map(async (name) => [name, await folderBytes(dataOf(name))] as const);
      return Object.fromEntries(await Promise.all(all));
    },
    async purge() {
      await rm(folders.data, { recursive: true, force: true });
    },
  };
}

async function rotate(file: string): Promise<void> {
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size > maxLogBytes) await rename(file, `${file}.1`);
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
