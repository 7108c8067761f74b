import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ReadyView } from '../contract/daemon-view.ts';
import { routePaths } from '../contract/route-paths.ts';
import type { Clock } from '../lib/clock.ts';
import { FleetError, isFleetError } from '../lib/errors.ts';
import type { Paths } from '../lib/paths.ts';
import { sendJson } from './http.ts';

export interface EnsureDaemonDeps {
  paths: Paths;
  clock: Clock;
  env: Record<string, string | undefined>;
  signal?: AbortSignal;
  /** Called when what it does changes: `starting`, then the daemon's own stages. */
  onStage?: (stage: string) => void;
  /** The daemon's entry file; default: the one of this installation. */
  entry?: string;
}

const deadlineMs = 120_000;
const pollMs = 60;

/**
 * Starts the daemon unless one listens, and waits until its first pass has ended. Two of these at once are fine: the daemon has a
 * single-instance lock, the one that loses ends, and both callers end up with the one that lives.
 */
export async function ensureDaemon(deps: EnsureDaemonDeps): Promise<ReadyView> {
  const first = await askReady(deps);
  if (first?.ready) return first;
  const pid = first === null ? await startDaemon(deps) : first.pid;
  let shown = '';
  for (const end = deps.clock.now() + deadlineMs; deps.clock.now() < end; ) {
    const ready = await askReady(deps);
    if (ready?.ready) return ready;
    const stage = ready?.stage ?? 'starting';
    if (stage !== shown) deps.onStage?.(stage);
    shown = stage;
    if (ready === null && !isAlive(pid)) {
      // It may have lost the race for the lock to one that is not listening yet.
      await deps.clock.sleep(pollMs * 10, deps.signal);
      if ((await askReady(deps)) === null) throw notStarted(deps.paths, 'it ended at once');
    }
    await deps.clock.sleep(pollMs, deps.signal);
  }
  throw notStarted(deps.paths, `it was not ready after ${deadlineMs / 1000} s (last: ${shown})`);
}

/** What the daemon says of itself; null when none listens. */
export async function askReady(deps: { paths: Paths }): Promise<ReadyView | null> {
  try {
    const [method, path] = routePaths.readyz;
    const { body } = await sendJson({ socketPath: deps.paths.daemonSocket, method, path, idleMs: 5000 });
    return typeof (body as ReadyView | null)?.ready === 'boolean' ? (body as ReadyView) : null;
  } catch (error) {
    if (isFleetError(error, 'daemon_unavailable')) return null;
    throw error;
  }
}

async function startDaemon(deps: EnsureDaemonDeps): Promise<number> {
  deps.onStage?.('starting');
  const { spawnDetached } = await import('../lib/exec.ts');
  const logFile = daemonLog(deps.paths);
  let logFd: number;
  try {
    // Parents that are made on the way: under root QEMU's user must pass through them.
    mkdirSync(dirname(deps.paths.state), { recursive: true, mode: process.getuid?.() === 0 ? 0o755 : 0o700 });
    mkdirSync(deps.paths.state, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
    mkdirSync(deps.paths.logs, { recursive: true, mode: 0o700 });
    logFd = openSync(logFile, 'a', 0o600);
  } catch (cause) {
    throw new FleetError('storage', `Cannot start the daemon: its log \`${logFile}\` cannot be written.`, {
      remedy: `Make \`${deps.paths.state}\` writable, or set XDG_STATE_HOME to another folder.`,
      cause,
    });
  }
  try {
    // The user's whole environment: credentials named in fleet.yaml and the desktop's bus are found there.
    const env = Object.fromEntries(
      Object.entries(deps.env).filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
    return spawnDetached([process.execPath, deps.entry ?? daemonEntry()], { env, logFd, cwd: '/' });
  } finally {
    closeSync(logFd);
  }
}

/** Beside this file, with the same ending: .ts in a checkout, .js in a package. */
function daemonEntry(): string {
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`../daemon/main.${ending}`, import.meta.url));
}

export function daemonLog(paths: Paths): string {
  return `${paths.logs}/daemon.log`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function notStarted(paths: Paths, found: string): FleetError {
  const lines = logTail(daemonLog(paths));
  const tail = lines.length === 0 ? '' : `\n${lines.map((line) => `  ${line}`).join('\n')}`;
  return new FleetError('daemon_unavailable', `Cannot start the daemon: ${found}.${tail}`, {
    remedy: `less ${daemonLog(paths)}`,
  });
}

function logTail(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(-5)
      .map((line) => line.slice(0, 400));
  } catch {
    return [];
  }
}
