import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isAlive } from '../lib/alive.ts';
import type { Clock } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';

/** One writer at a time: calls of this process queue up, other processes are kept out by a file that names its holder. */
export type WriterLock = <T>(file: string, work: () => Promise<T>) => Promise<T>;

const waitMs = 120_000;
const pollMs = 25;

export function createWriterLock(clock: Clock): WriterLock {
  const last = new Map<string, Promise<unknown>>();
  return (file, work) => {
    const turn = (last.get(file) ?? Promise.resolve()).then(() => holding(file, clock, work));
    const settled = turn.catch(() => {});
    last.set(file, settled);
    void settled.then(() => last.get(file) === settled && last.delete(file));
    return turn;
  };
}

async function holding<T>(file: string, clock: Clock, work: () => Promise<T>): Promise<T> {
  await take(file, clock);
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function take(file: string, clock: Clock): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const own = `${file}.${process.pid}`;
  await writeFile(own, `${process.pid} ${await birthOf(process.pid)}\n`, { mode: 0o600 });
  try {
    for (const until = clock.now() + waitMs; ; await clock.sleep(pollMs)) {
      // A link appears whole or not at all: nobody ever reads an empty lock.
      const taken = await link(own, file).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'EEXIST') return false;
          throw error;
        },
      );
      if (taken) return;
      const holder = await readFile(file, 'utf8').catch(() => '');
      if (holder !== '' && !(await holds(holder))) await breakStale(file, holder);
      if (clock.now() > until) {
        throw new FleetError('storage', `\`${file}\` is held by process ${holder.trim()} for ${waitMs / 1000} s.`, {
          remedy: `If no ralph-fleet runs, remove \`${file}\`.`,
        });
      }
    }
  } finally {
    await rm(own, { force: true });
  }
}

/** Takes a dead holder's lock away; when another process was quicker and holds it by now, it is put back. */
async function breakStale(file: string, holder: string): Promise<void> {
  const aside = `${file}.stale.${process.pid}`;
  await rename(file, aside).catch(() => {});
  const was = await readFile(aside, 'utf8').catch(() => holder);
  if (was !== holder) await link(aside, file).catch(() => {});
  await rm(aside, { force: true });
}

async function holds(holder: string): Promise<boolean> {
  const [pidText, birth] = holder.trim().split(' ');
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid || !isAlive(pid)) return false;
  const now = await birthOf(pid);
  return birth === '-' || now === '-' || birth === now;
}

/** When a process started, in the kernel's ticks, so that a reused pid is not taken for its former holder; `-` where unknown. */
async function birthOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '-';
}
