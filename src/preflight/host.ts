import { constants } from 'node:fs';
import { access, open } from 'node:fs/promises';
import { availableParallelism, platform } from 'node:os';
import { freeMiB, nearestExisting, readMemory } from '../host/look.ts';

/** What checks want to know of the host, behind one small port so that tests need no disk. */
export interface Host {
  platform: NodeJS.Platform;
  env: Readonly<Record<string, string | undefined>>;
  cores: number;
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
    cores: availableParallelism(),
    memory: readMemory,
    freeDiskMiB: freeMiB,
    async writable(path) {
      const folder = await nearestExisting(path);
      return { folder, writable: await can(folder, constants.W_OK | constants.X_OK) };
    },
    exists: (path) => can(path, constants.R_OK),
    head: readHead,
  };
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
