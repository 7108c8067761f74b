import { access, chmod, chown, open, rename, rm } from 'node:fs/promises';
import { z } from 'zod';
import { FleetError } from '../../lib/errors.ts';
import type { Exec } from '../../lib/exec.ts';

export interface Overlays {
  /** Makes the overlay at `disk` on the read-only `base`, at least as large as it; does nothing when it is there. */
  create(overlay: { disk: string; base: string; diskGiB: number; owner: Owner | null }): Promise<void>;
  /**
   * Copies the file itself, whose QEMU must stand still: at once where the file system shares blocks, else as fast as the disk. Atomic
   * by rename; does nothing when `target` is there.
   */
  clone(overlay: { disk: string; target: string; owner: Owner | null }): Promise<void>;
  /** Copies what `disk` holds beyond its backing file to `target`, which keeps that backing file. Atomic by rename. */
  copy(disk: string, target: string): Promise<void>;
}

interface Owner {
  uid: number;
  gid: number;
}

const info = z.object({
  format: z.string(),
  'virtual-size': z.int().positive(),
  'full-backing-filename': z.string().optional(),
  'backing-filename-format': z.string().optional(),
});

const gib = 1024 ** 3;
const copyMs = 600_000;

export function createOverlays(exec: Exec): Overlays {
  async function inspect(file: string) {
    const { stdout } = await exec(['qemu-img', 'info', '-U', '--output=json', file], { timeoutMs: 30_000 });
    try {
      return info.parse(JSON.parse(stdout));
    } catch (cause) {
      throw new FleetError('storage', `\`qemu-img info ${file}\` printed what cannot be read.`, { cause });
    }
  }
  return {
    async create({ disk, base, diskGiB, owner }) {
      const aside = `${disk}.new`;
      const { format, 'virtual-size': baseSize } = await inspect(base);
      const size = Math.max(diskGiB * gib, baseSize);
      await rm(aside, { force: true });
      await exec(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', base, '-F', format, aside, String(size)], {
        timeoutMs: 60_000,
      });
      await chmod(aside, 0o600);
      if (owner !== null) await chown(aside, owner.uid, owner.gid);
      await rename(aside, disk);
    },

    async clone({ disk, target, owner }) {
      if (await isThere(target)) return;
      const aside = `${target}.new`;
      try {
        await rm(aside, { force: true });
        await exec(['cp', '--reflink=auto', '--sparse=always', '--', disk, aside], { timeoutMs: copyMs });
        await chmod(aside, 0o600);
        if (owner !== null) await chown(aside, owner.uid, owner.gid);
        await flush(aside);
        await rename(aside, target);
      } catch (error) {
        await rm(aside, { force: true });
        throw error;
      }
    },

    async copy(disk, target) {
      const { 'full-backing-filename': backing, 'backing-filename-format': format } = await inspect(disk);
      if (backing === undefined) throw new FleetError('storage', `Disk \`${disk}\` has no backing file.`);
      const aside = `${target}.new`;
      const keep = ['-B', backing, '-F', format ?? 'qcow2'];
      try {
        await rm(aside, { force: true });
        await exec(['qemu-img', 'convert', '-q', '-O', 'qcow2', ...keep, disk, aside], { timeoutMs: copyMs });
        await flush(aside);
        await chmod(aside, 0o444);
        await rename(aside, target);
      } catch (error) {
        await rm(aside, { force: true });
        throw error;
      }
    },
  };
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
