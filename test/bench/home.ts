import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '../../src/lib/alive.ts';
import { baseEnvironment, createExec, type ExecResult } from '../../src/lib/exec.ts';
import { resolvePaths } from '../../src/lib/paths.ts';
import { testImagePaths } from '../fixtures/image.ts';
import { leftoversOf } from '../support/leftovers.ts';

const root = join(import.meta.dirname, '../..');
const exec = createExec();

/** A fleet's home of its own in a temporary folder; nothing of the user's is read or touched. */
export interface Home extends AsyncDisposable {
  /** Runs the program from its sources, as `scripts/ralph-fleet` does. */
  run(args: readonly string[], timeoutMs?: number): Promise<ExecResult>;
  argv(args: readonly string[]): string[];
  env: Record<string, string>;
  daemonPid(): Promise<number>;
}

export async function openHome(fleetYaml: string): Promise<Home> {
  const folder = await mkdtemp(join(tmpdir(), 'rf-bench-'));
  // QEMU's user passes through.
  await chmod(folder, 0o711);
  const inherited = baseEnvironment();
  const env = {
    ...inherited,
    PATH: `${dirname(process.execPath)}:${inherited['PATH'] ?? ''}`,
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_CACHE_HOME: join(folder, 'cache'),
    XDG_RUNTIME_DIR: join(folder, 'run'),
    // `up` wants one; no task is handed in that would use it.
    ANTHROPIC_API_KEY: 'none',
  };
  const paths = resolvePaths(env);
  await mkdir(paths.config, { recursive: true });
  await mkdir(paths.cache, { recursive: true });
  await mkdir(testImagePaths().images, { recursive: true });
  await symlink(testImagePaths().images, paths.images);
  // What scripts/setup brought for the user (jj) serves here too.
  await symlink(resolvePaths().tools, paths.tools);
  await writeFile(paths.fleetYaml, fleetYaml);
  const argv = (args: readonly string[]) => [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    join(root, 'src/cli/bin.js'),
    ...args,
  ];
  const run = (args: readonly string[], timeoutMs = 60_000) => exec(argv(args), { env, timeoutMs });
  const daemonPid = async () => Number(JSON.parse((await run(['daemon', 'status', '--json'])).stdout).pid);
  const dispose = async () => {
    const pid = await daemonPid().catch(() => null);
    await run(['purge', '--yes'])
      .catch(() => run(['daemon', 'stop']))
      .catch(() => {});
    while (pid !== null && isAlive(pid)) await sleep(50);
    await rm(folder, { recursive: true, force: true });
    const left = await leftoversOf(folder);
    if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
  };
  return { run, argv, env, daemonPid, [Symbol.asyncDispose]: dispose };
}
