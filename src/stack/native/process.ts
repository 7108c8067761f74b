import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import type { Exec } from '../../lib/exec.ts';

/**
 * A process that outlives the command that started it, found again by its file. The process writes that file itself, before it
 * becomes the program: whoever started it may die at any moment. A pid is believed only with the start time it had then, for
 * another process may have the number by now.
 */
export interface Mark {
  pid: number;
  startedAt: string;
  hash: string;
}

/** Run as `sh -c SCRIPT sh PIDFILE HASH PROGRAM ARGS…`. */
export const markAndRun =
  'f=$1 h=$2; shift 2; { echo $$; echo "$h"; cat /proc/$$/stat 2>/dev/null || ps -o lstart= -p $$; } >"$f.part" && mv "$f.part" "$f" && exec "$@"';

/** The process of that file, if it still is the one. */
export async function findProcess(file: string, exec: Exec): Promise<Mark | null> {
  const [pid = '', hash = '', ...rest] = (await readFile(file, 'utf8').catch(() => '')).split('\n');
  if (!/^\d+$/.test(pid)) return null;
  const mark = { pid: Number(pid), hash, startedAt: startTime(rest.join('\n')) };
  return (await startTimeOf(mark.pid, exec)) === mark.startedAt ? mark : null;
}

/** `/proc/PID/stat`: the 22nd field, ticks since the boot (the name in brackets may hold anything); elsewhere what `ps` says. */
export function startTime(text: string): string {
  const [, after] = text.match(/^\d+ \(.*\) (.+)$/s) ?? [];
  return after === undefined ? text.trim() : (after.split(' ')[19] ?? '');
}

async function startTimeOf(pid: number, exec: Exec): Promise<string | null> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
    // A zombie has ended; only its parent does not know yet.
    return stat === null || /^\d+ \(.*\) Z /s.test(stat) ? null : startTime(stat);
  }
  const said = await exec(['ps', '-o', 'lstart=', '-p', String(pid)], { okExitCodes: [0, 1] });
  return said.stdout.trim() || null;
}

const graceMs = 15_000;

/** Asks it to end, then forces it; resolves with whether there was one. */
export async function endProcess(file: string, deps: { exec: Exec; clock: Clock }): Promise<boolean> {
  const found = await findProcess(file, deps.exec);
  if (found !== null) {
    const began = deps.clock.now();
    for (let signal: NodeJS.Signals | 0 = 'SIGTERM'; (await findProcess(file, deps.exec)) !== null; signal = 0) {
      if (deps.clock.now() - began > graceMs) signal = 'SIGKILL';
      try {
        process.kill(found.pid, signal);
      } catch {
        break; // it has just ended
      }
      await deps.clock.sleep(50);
    }
  }
  await rm(file, { force: true });
  return found !== null;
}

export async function makeFolderOf(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
}
