import { constants } from 'node:fs';
import { mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import type { RunFiles } from './ports.ts';

/** Where an iteration's stream stands on the host. */
export function streamFile(folder: string, iteration: string): string {
  return join(folder, safe(iteration), 'stream');
}

/** Run files on the host's disk: one folder per iteration. */
export function createRunFiles(folder: string): RunFiles {
  const streamOf = (iteration: string) => streamFile(folder, iteration);
  const make = (iteration: string) => mkdir(join(folder, safe(iteration)), { recursive: true, mode: 0o700 });
  return {
    async streamSize(iteration) {
      const found = await stat(streamOf(iteration)).catch(() => null);
      return found?.size ?? 0;
    },
    async writeStream(iteration, offset, bytes) {
      await make(iteration);
      // Created if missing, never cut: a repeated write of the same bytes at the same place changes nothing.
      const file = await open(streamOf(iteration), constants.O_RDWR | constants.O_CREAT, 0o600);
      try {
        await file.write(bytes, 0, bytes.length, offset);
      } finally {
        await file.close();
      }
    },
    async readStream(iteration, offset, maxBytes) {
      const file = await open(streamOf(iteration), 'r').catch(() => null);
      if (file === null) return new Uint8Array();
      try {
        const buffer = Buffer.alloc(maxBytes);
        const { bytesRead } = await file.read(buffer, 0, maxBytes, offset);
        return buffer.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    },
    async writeFile(iteration, name, data) {
      await make(iteration);
      await writeFileAtomic(join(folder, safe(iteration), safe(name)), data);
    },
  };
}

/** Ids are ours; a path made of one never leaves the folder all the same. */
function safe(name: string): string {
  return name.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^\.+/, '_');
}
