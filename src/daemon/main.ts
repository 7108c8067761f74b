import { readFile } from 'node:fs/promises';
import { startApi } from '../api/server.ts';
import { createSystemClock } from '../lib/clock.ts';
import { formatError, isFleetError } from '../lib/errors.ts';
import { createExec } from '../lib/exec.ts';
import { acquireLock } from '../lib/lock.ts';
import { createLog } from '../lib/log.ts';
import { resolvePaths } from '../lib/paths.ts';
import { createSystemRandom } from '../lib/random.ts';
import { resourcePath } from '../lib/resources.ts';
import { logDestination } from '../lib/rotating-file.ts';
import { makeFolders } from './folders.ts';
import { removePaths } from './purge.ts';
import { type Wired, wire } from './wire.ts';

/**
 * The daemon process. SIGTERM or SIGINT: no new step is begun, those under way may end, then it leaves; VMs, iterations and the
 * gateway go on, and the next daemon picks them up. Killed hard, the same holds.
 */
const alreadyRunningExit = 4;

async function main(): Promise<void> {
  process.umask(0o022);
  // What the user's shell says of the telemetry of other programs, keys included, is not for ours.
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) delete process.env[name];
  const paths = resolvePaths(process.env);
  const log = createLog({
    level: process.env['RALPH_FLEET_LOG'] ?? 'info',
    destination: logDestination(paths.daemonLog),
  });
  await makeFolders(paths);
  const lock = await acquireLock(paths.daemonLock, 'daemon');
  const version = String(JSON.parse(await readFile(resourcePath('package.json'), 'utf8')).version);
  let wired: Wired | null = null;
  let ending = false;
  let closeApi: () => Promise<void> = async () => {};

  const end = (removed: string[]) => {
    if (ending) return;
    ending = true;
    // After the answer to whoever asked for it.
    setTimeout(() => void leave(removed), 100);
  };
  async function leave(removed: string[]): Promise<void> {
    log.info({ removed: removed.length }, 'the daemon ends');
    try {
      await closeApi();
      await wired?.close();
      await lock.release();
      await removePaths(removed);
      process.exit(0);
    } catch (error) {
      log.error({ err: formatError(error) }, 'the daemon did not end cleanly');
      process.exit(1);
    }
  }
  process.on('SIGTERM', () => end([]));
  process.on('SIGINT', () => end([]));

  wired = await wire({
    paths,
    exec: createExec(),
    clock: createSystemClock(),
    random: createSystemRandom(),
    log,
    env: process.env,
    version,
    end,
  });
  closeApi = (await startApi(wired.api, paths.daemonSocket)).close;
  wired.control.runner.start();
  log.info({ pid: process.pid, version, socket: paths.daemonSocket }, 'the daemon listens');
}

await main().catch((error: unknown) => {
  const log = createLog();
  log.error({ err: formatError(error), code: isFleetError(error) ? error.code : 'bug' }, 'the daemon cannot start');
  process.exit(isFleetError(error, 'already_running') ? alreadyRunningExit : 1);
});
