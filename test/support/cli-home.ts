import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient } from '../../src/client/client.ts';
import { isAlive } from '../../src/lib/alive.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec, type ExecResult } from '../../src/lib/exec.ts';
import { type Paths, resolvePaths } from '../../src/lib/paths.ts';
import { installJj } from '../integration/changes-kit.ts';
import { until } from './gateway-process.ts';

/** A home of its own for the real program and its daemon, on a host where no VM can be made: only these tools are on the PATH. */
export interface CliHome extends AsyncDisposable {
  root: string;
  env: Record<string, string>;
  paths: Paths;
  client: Client;
  /** One command line; `out` and `err` are what it printed. */
  cli(...args: string[]): Promise<{ code: number; out: string; err: string }>;
  /** A program of that name, instead of whatever was there. */
  putTool(name: string, script: string): Promise<void>;
  /** A git repository with one commit of these files. */
  repository(name: string, files: Record<string, string>): Promise<string>;
  git(folder: string, ...args: string[]): Promise<string>;
  daemonPid(): Promise<number>;
}

const exec = createExec();
const bin = join(import.meta.dirname, '../../src/cli/bin.js');
export const nodeFlags = ['--disable-warning=ExperimentalWarning'];
const anyExit = Array.from({ length: 256 }, (_, code) => code);
const tools = ['git', 'ssh-keygen', 'sh', 'tmux', 'sleep', 'cat', 'mv', 'true', 'df', 'rm'];

export async function createCliHome(places: Record<string, string> = {}): Promise<CliHome> {
  const jj = await installJj();
  const root = await mkdtemp(join(tmpdir(), 'rf-cli-home-'));
  const env: Record<string, string> = {
    PATH: join(root, 'bin'),
    LANG: 'C.UTF-8',
    TERM: 'xterm',
    HOME: root,
    TMPDIR: root,
    TMUX_TMPDIR: root,
    XDG_CONFIG_HOME: join(root, 'config'),
    XDG_STATE_HOME: join(root, 'state'),
    XDG_CACHE_HOME: join(root, 'cache'),
    XDG_RUNTIME_DIR: join(root, 'run'),
    GIT_CONFIG_GLOBAL: join(root, '.gitconfig'),
    ...places,
  };
  await mkdir(env['PATH'] ?? '');
  for (const name of tools) {
    const { stdout } = await exec(['sh', '-c', `command -v ${name}`]);
    await symlink(stdout.trim(), join(root, 'bin', name));
  }
  await symlink(jj, join(root, 'bin/jj'));
  await writeFile(join(root, '.gitconfig'), '[user]\n\tname = Ada\n\temail = ada@example.org\n');
  const paths = resolvePaths(env);
  const home: CliHome = {
    root,
    env,
    paths,
    client: createClient({ socketPath: paths.daemonSocket, clock: createSystemClock() }),
    cli: async (...args) => {
      const argv = [process.execPath, ...nodeFlags, bin, ...args];
      const run: ExecResult = await exec(argv, { cwd: root, env, timeoutMs: 120_000, okExitCodes: anyExit });
      return { code: run.exitCode, out: run.stdout, err: run.stderr };
    },
    putTool: async (name, script) => {
      await rm(join(root, 'bin', name), { force: true });
      await writeFile(join(root, 'bin', name), `#!${join(root, 'bin/sh')}\n${script}\n`);
      await chmod(join(root, 'bin', name), 0o755);
    },
    repository: async (name, files) => {
      const folder = join(root, name);
      await home.git(root, 'init', '-q', '-b', 'main', folder);
      for (const [path, text] of Object.entries(files)) {
        await mkdir(join(folder, path, '..'), { recursive: true });
        await writeFile(join(folder, path), text);
      }
      await home.git(folder, 'add', '-A');
      await home.git(folder, 'commit', '-qm', 'begin');
      return folder;
    },
    git: async (folder, ...args) => (await exec(['git', '-C', folder, ...args], { env })).stdout.trim(),
    daemonPid: () => pidIn(paths.daemonLock),
    [Symbol.asyncDispose]: async () => {
      await exec(['tmux', 'kill-server'], { env, okExitCodes: [0, 1] });
      for (const lock of [paths.daemonLock, paths.gatewayLock]) await end(await pidIn(lock));
      await rm(root, { recursive: true, force: true });
    },
  };
  // What a host without libvirt's daemon has; `putTool` makes worse ones.
  await home.putTool('virsh', 'echo "error: failed to connect to the hypervisor" >&2; exit 1');
  return home;
}

async function pidIn(lock: string): Promise<number> {
  return Number(await readFile(`${lock}.pid`, 'utf8').catch(() => 0));
}

async function end(pid: number): Promise<void> {
  if (pid === 0) return;
  if (isAlive(pid)) process.kill(pid, 'SIGTERM');
  await until('the process has ended', async () => !isAlive(pid), 30_000);
}
