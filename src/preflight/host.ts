import { constants } from 'node:fs';
import { access, open, readFile, stat, statfs } from 'node:fs/promises';
import { freemem, platform, totalmem } from 'node:os';
import { dirname } from 'node:path';

/** What checks want to know of the host, behind one small port so that tests need no disk. */
export interface Host {
  platform: NodeJS.Platform;
  env: Readonly<Record<string, string | undefined>>;
  memory(): Promise<{ totalMiB: number; availableMiB: number }>;
  /** Free space for this user at `path`, or at its nearest folder that exists. */
  freeDiskMiB(path: string): Promise<number>;
  /** The nearest existing folder, and whether this user may write there. */
  writable(path: string): Promise<{ folder: string; writable: boolean }>;
  exists(path: string): Promise<boolean>;
  /** At most `bytes` from the start of a file; null when there is none. */
  head(path: string, bytes: number): Promise<Uint8Array | null>;
}

export function createHost(env: Record<string, string | undefined> = process.env): Host {
  return {
    platform: platform(),
    env,
    memory: readMemory,
    async freeDiskMiB(path) {
      const { bavail, bsize } = await statfs(await nearestExisting(path));
      return Math.floor((bavail * bsize) / 2 ** 20);
    },
    async writable(path) {
      const folder = await nearestExisting(path);
      return { folder, writable: await can(folder, constants.W_OK | constants.X_OK) };
    },
    exists: (path) => can(path, constants.R_OK),
    head: readHead,
  };
}

/** MemAvailable counts what the kernel would give back (caches); os.freemem() does so only on some systems. */
async function readMemory(): Promise<{ totalMiB: number; availableMiB: number }> {
  const table = platform() === 'linux' ? await readFile('/proc/meminfo', 'utf8').catch(() => '') : '';
  const available = /^MemAvailable:\s+(\d+) kB/m.exec(table)?.[1];
  const availableMiB = available === undefined ? Math.floor(freemem() / 2 ** 20) : Math.floor(Number(available) / 1024);
  return { totalMiB: Math.floor(totalmem() / 2 ** 20), availableMiB };
}

async function nearestExisting(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    const found = await stat(at).catch(() => null);
    if (found !== null || at === dirname(at)) return at;
  }
}

function can(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

async function readHead(path: string, bytes: number): Promise<Uint8Array | null> {
  const file = await open(path, 'r').catch(() => null);
  if (file === null) return null;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
