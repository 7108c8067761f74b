import { readFile, stat, statfs } from 'node:fs/promises';
import { availableParallelism, freemem, platform, totalmem } from 'node:os';
import { dirname } from 'node:path';
import type { DiskLook, DiskUse, HostLook, MemoryLook } from '../domain/host.ts';
import type { Paths } from '../lib/paths.ts';

/** A look at memory and disks of this host: a few small reads, never a process. */
export function createHostLook(paths: Pick<Paths, 'state' | 'vms' | 'images' | 'ballast'>): () => Promise<HostLook> {
  return async () => ({
    cores: availableParallelism(),
    memory: await lookAtMemory(),
    disks: await lookAtDisks({ state: paths.state, vms: paths.vms, images: paths.images }),
    hasBallast: await stat(paths.ballast).then(
      (found) => found.blocks > 0,
      () => false,
    ),
  });
}

/** Null where the kernel does not say what could be had: what is merely unused says little of it. */
async function lookAtMemory(): Promise<MemoryLook | null> {
  const availableMiB = parseAvailable(await readProc('meminfo'));
  const stalls = await readProc('pressure/memory');
  return availableMiB === null ? null : { totalMiB: totalMiB(), availableMiB, stalledPercent: parseStalled(stalls) };
}

/** For people: where the kernel does not say what could be had, what is unused. */
export async function readMemory(): Promise<{ totalMiB: number; availableMiB: number }> {
  const availableMiB = parseAvailable(await readProc('meminfo')) ?? Math.floor(freemem() / 2 ** 20);
  return { totalMiB: totalMiB(), availableMiB };
}

function totalMiB(): number {
  return Math.floor(totalmem() / 2 ** 20);
}

/** Empty where there is no such file. */
function readProc(name: string): Promise<string> {
  return platform() === 'linux' ? readFile(`/proc/${name}`, 'utf8').catch(() => '') : Promise.resolve('');
}

/** From /proc/meminfo, in MiB; null when it is not there. */
export function parseAvailable(meminfo: string): number | null {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  return kib === undefined ? null : Math.floor(Number(kib) / 1024);
}

/** From /proc/pressure/memory (Documentation/accounting/psi.rst): per cent of the last 10 s in which nothing else could run. */
export function parseStalled(pressure: string): number | null {
  const percent = /^full avg10=(\d+\.\d+) /m.exec(pressure)?.[1];
  return percent === undefined ? null : Number(percent);
}

/** Folders on one file system are one disk; a folder that is not made yet counts as the nearest one above it. */
async function lookAtDisks(folders: Record<DiskUse, string>): Promise<DiskLook[]> {
  const disks = new Map<number, DiskLook & { uses: DiskUse[] }>();
  for (const [use, path] of Object.entries(folders) as [DiskUse, string][]) {
    const place = await nearestExisting(path);
    const { dev } = await stat(place);
    const known = disks.get(dev);
    if (known !== undefined) known.uses.push(use);
    else disks.set(dev, { path, uses: [use], freeMiB: await freeMiB(place) });
  }
  return [...disks.values()];
}

/** For this user: what is reserved for root is not counted. */
export async function freeMiB(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(await nearestExisting(path));
  return Math.floor((bavail * bsize) / 2 ** 20);
}

export async function nearestExisting(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    const found = await stat(at).catch(() => null);
    if (found !== null || at === dirname(at)) return at;
  }
}
