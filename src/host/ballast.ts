import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isFleetError } from '../lib/errors.ts';
import type { Exec } from '../lib/exec.ts';

/** Room on the disk of the state folder that is taken before anybody else has it, and given up to save work when the disk is full. */
export interface Ballast {
  /** There afterwards, whole; one that is there stays as it is. Throws when there is no room for it. */
  make(mib: number): Promise<void>;
  /** Gone afterwards. */
  free(): Promise<void>;
}

export function createBallast({ path, exec }: { path: string; exec: Exec }): Ballast {
  const aside = `${path}.new`;
  return {
    async make(mib) {
      if (await isThere(path)) return;
      await rm(aside, { force: true });
      try {
        await allocate(exec, aside, mib);
        await rename(aside, path);
        await flush(dirname(path));
      } catch (error) {
        await rm(aside, { force: true });
        throw error;
      }
    },
    async free() {
      await rm(aside, { force: true });
      await rm(path, { force: true });
    },
  };
}

/** Blocks, not a hole. Where the file system cannot reserve them they are written, with what no compression makes smaller. */
async function allocate(exec: Exec, path: string, mib: number): Promise<void> {
  try {
    await exec(['fallocate', '-l', `${mib}MiB`, path], { timeoutMs: 30_000 });
    return;
  } catch (error) {
    if (!isFleetError(error)) throw error;
    if (/No space left/.test(String(error.details['stderr'] ?? error.message))) throw error;
  }
  const file = await open(path, 'w', 0o600);
  try {
    const block = new Uint8Array(2 ** 20);
    for (let n = 0; n < mib; n++) {
      for (let at = 0; at < block.length; at += 65_536) crypto.getRandomValues(block.subarray(at, at + 65_536));
      await file.writeFile(block);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

async function flush(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.blocks > 0,
    () => false,
  );
}
