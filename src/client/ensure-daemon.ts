import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ReadyView } from '../contract/daemon-view.ts';
import { routePaths } from '../contract/route-paths.ts';
import { isAlive } from '../lib/alive.ts';
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
/** It waits most of its life: a small young generation spares 20 MiB and more. */
const daemonFlags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=4'];

/**
 * Starts the daemon unless one listens, and waits until its first pass has ended. Two of these at once are fine: the daemon has a
 * single-instance lock, the one that loses ends, and both callers end up with the one that lives.
 */
export async function ensureDaemon(deps: EnsureDaemonDeps): Promise<ReadyView> {
  const first = await askReady(deps);
  if (first?.ready) return first;
  const { pid, logFrom } = first === null ? await startDaemon(deps) : { pid: first.pid, logFrom: null };
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
      if ((await askReady(deps)) === null) throw notStarted(deps.paths, 'it ended at once', logFrom);
    }
    await deps.clock.sleep(pollMs, deps.signal);
  }
  throw notStarted(deps.paths, `it was not ready after ${deadlineMs / 1000} s (last: ${shown})`, logFrom);
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

async function startDaemon(deps: EnsureDaemonDeps): Promise<{ pid: number; logFrom: number }> {
  deps.onStage?.('starting');
  const { spawnDetached } = await import('../lib/exec.ts');
  const logFile = deps.paths.daemonLog;
  let logFd: number;
  let logFrom: number;
  try {
    // Folders on the way stay passable: under root QEMU runs as a user of its own. What is ours the daemon closes itself.
    makeFolder(dirname(deps.paths.logs), 0o711);
    makeFolder(deps.paths.logs, 0o700);
    logFd = openSync(logFile, 'a', 0o600);
    logFrom = fstatSync(logFd).size;
  } catch (cause) {
    throw new FleetError(
      'storage',
      `Cannot start the daemon: its log \`${logFile}\` cannot be written (${String((cause as NodeJS.ErrnoException).code)}).`,
      {
        remedy: `Make \`${deps.paths.state}\` writable, or set XDG_STATE_HOME to another folder.`,
        cause,
      },
    );
  }
  try {
    // The user's whole environment: credentials named in fleet.yaml and the desktop's bus are found there.
    const named = deps.env['RALPH_FLEET_CONFIG'];
    const config = named ? { RALPH_FLEET_CONFIG: resolve(named) } : {}; // it runs in another folder
    const env = Object.fromEntries(
      Object.entries({ ...deps.env, ...config }).filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
    const argv = [process.execPath, ...daemonFlags, deps.entry ?? daemonEntry()];
    return { pid: spawnDetached(argv, { env, logFd, cwd: '/' }), logFrom };
  } finally {
    closeSync(logFd);
  }
}

/** Node's own `recursive` says ENOENT where the disk is read-only. */
function makeFolder(path: string, mode: number): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another one was quicker
  }
}

/** Beside this file, with the same ending: .ts in a checkout, .js in a package. */
function daemonEntry(): string {
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`../daemon/main.${ending}`, import.meta.url));
}

function notStarted(paths: Paths, found: string, logFrom: number | null): FleetError {
  const lines = lastWords(paths.daemonLog, logFrom ?? 0);
  if (lines.length === 0 && isFull(paths.logs)) lines.push(`The disk of \`${paths.logs}\` is full: free some space.`);
  const tail = lines.map((line) => `\n  ${line.slice(0, 400)}`).join('');
  return new FleetError('daemon_unavailable', `Cannot start the daemon: ${found}.${tail}`, {
    remedy: `less ${paths.daemonLog}`,
  });
}

/** What the daemon itself gave as its reason since that byte of its log, else the last lines. */
function lastWords(file: string, from: number): string[] {
  const lines = readEnd(file, from).trimEnd().split('\n').slice(-5);
  const reason = lines.map(reasonIn).findLast((text) => text !== null);
  return (reason ?? lines.join('\n')).split('\n').filter((line) => line.trim() !== '');
}

const maxReadBytes = 64 * 1024;

function readEnd(file: string, from: number): string {
  let fd: number | null = null;
  try {
    fd = openSync(file, 'r');
    const { size } = fstatSync(fd);
    // Turned over meanwhile: all of it is new.
    const start = Math.max(size < from ? 0 : from, size - maxReadBytes);
    const bytes = Buffer.alloc(Math.max(0, size - start));
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, start)).toString('utf8');
  } catch {
    return '';
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

function reasonIn(line: string): string | null {
  try {
    const { level, err } = JSON.parse(line) as { level?: unknown; err?: unknown };
    return typeof level === 'number' && level >= 50 && typeof err === 'string' ? err : null;
  } catch {
    return null;
  }
}

function isFull(folder: string): boolean {
  try {
    const { bavail } = statfsSync(folder);
    return bavail === 0;
  } catch {
    return false;
  }
}
