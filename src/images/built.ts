import { readdir, readFile, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FleetError } from '../lib/errors.ts';
import type { BuiltImage } from './builder.ts';

/** What an image's folder holds, whichever builder made it. */
export const imageFiles = ['guest.json', 'image.qcow2', 'initrd.img', 'vmlinuz'] as const;

const contractSchema = z.object({
  contract: z.number().int(),
  image: z.string(),
  builder: z.string(),
  tools: z.record(z.string(), z.string()),
});

export async function readImage(folder: string, key: string, cmdline: string): Promise<BuiltImage> {
  const contract = contractSchema.safeParse(JSON.parse(await readFile(join(folder, 'guest.json'), 'utf8')));
  if (!contract.success) {
    throw new FleetError('image_failed', `The image in \`${folder}\` has no valid contract.`, {
      remedy: `Remove \`${folder}\`; it is built again.`,
      cause: contract.error,
    });
  }
  const boot = { kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initrd.img'), cmdline };
  return { key, path: join(folder, 'image.qcow2'), boot, contract: contract.data };
}

/** The cache may be deleted at any time, also in part: what is left of an image is built again. */
export async function dropBroken(folder: string, wanted: readonly string[] = imageFiles): Promise<void> {
  const found = await readdir(folder).catch(() => null);
  if (found === null || wanted.every((name) => found.includes(name))) return;
  await rm(folder, { recursive: true, force: true });
}

export async function refuseWithoutRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= bytes) return;
  const mib = (count: number) => Math.floor(count / 1024 ** 2);
  throw new FleetError(
    'storage',
    `Building an image in \`${folder}\` takes ${mib(bytes)} MiB for a while; ${mib(bavail * bsize)} MiB are free.`,
    {
      remedy: `Free some disk space (images no longer used stand in \`${folder}\`), then run the same command again.`,
    },
  );
}
