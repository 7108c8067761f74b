import { readdir, readFile, rm, statfs } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Clock } from '../../lib/clock.ts';
import { asFleetError, FleetError } from '../../lib/errors.ts';
import type { Exec } from '../../lib/exec.ts';
import type { Log } from '../../lib/log.ts';
import type { Paths } from '../../lib/paths.ts';
import type { BuiltImage, ImageBuilder } from '../builder.ts';
import { type CacheDeps, cachedFolder, hashFolders, hashOf, isProcessAlive } from '../cache.ts';
import { makeImage, requiredCommands } from './bootstrap.ts';
import { builderVersion, cmdline, packages, suite } from './contents.ts';
import { toolEnvironment } from './environment.ts';
import { findMirror, hostFiles } from './mirror.ts';
import { toolsFor } from './npm-tools.ts';

export interface DebianBuilderDeps {
  exec: Exec;
  clock: Clock;
  log: Log;
  paths: Pick<Paths, 'images' | 'tools'>;
  /** `image.debianMirror`; null takes the one this machine installs from. */
  mirror: string | null;
  agents: readonly string[];
  /** Folder of this builder's own files, and of what the guest runs; default: where they stand in the source. */
  assets?: string;
  scripts?: string;
}

const contractSchema = z.object({
  contract: z.number().int(),
  image: z.string(),
  builder: z.string(),
  tools: z.record(z.string(), z.string()),
});

/** Free bytes a build wants at its widest: tree, raw disk and QCOW2 side by side. */
const roomBytes = 3 * 1024 ** 3;

export function createDebianBuilder(deps: DebianBuilderDeps): ImageBuilder {
  const assets = deps.assets ?? fileURLToPath(new URL('.', import.meta.url));
  const scripts = deps.scripts ?? fileURLToPath(new URL('../../guest/scripts/', import.meta.url));
  const isAlive = isProcessAlive;
  toolsFor(deps.agents); // an agent CLI no image can hold is refused here, not at the first build
  const cacheIn = (root: string): CacheDeps => ({
    root,
    exec: deps.exec,
    clock: deps.clock,
    pid: process.pid,
    isAlive,
  });

  async function key(): Promise<string> {
    const tools = toolsFor(deps.agents).map((tool) => `${tool.package}@${tool.version}`);
    const assetHash = await hashFolders([join(assets, 'rootfs'), scripts]);
    const files = await Promise.all(['customize', 'initrd-init', 'masked-units'].map((f) => readFile(join(assets, f))));
    return hashOf([
      'debian',
      String(builderVersion),
      suite,
      cmdline,
      packages.join(),
      tools.join(),
      assetHash,
      ...files,
    ]);
  }

  async function build(progress: (what: string) => void, signal?: AbortSignal): Promise<BuiltImage> {
    const image = await key();
    const make = async (aside: string) => {
      await refuseWithoutRoom(deps.paths.images);
      const mirror = await findMirror(deps.mirror, hostFiles);
      deps.log.info({ image, mirror }, 'building an image');
      const job = { aside, image, mirror, assets, scripts, tools: toolsFor(deps.agents), progress, signal };
      await makeImage({ exec: deps.exec, toolCache: cacheIn(deps.paths.tools) }, job);
    };
    await dropBroken(join(deps.paths.images, image));
    const onWait = () => progress('waiting for another process that builds the same image');
    const folder = await cachedFolder(cacheIn(deps.paths.images), image, make, { onWait, signal });
    return await readImage(folder, image);
  }

  return { name: 'debian', probe: () => probe(deps), key, build };
}

/** The cache may be deleted at any time, also in part: what is left of an image is built again. */
async function dropBroken(folder: string): Promise<void> {
  const found = await readdir(folder).catch(() => null);
  if (found === null || imageFiles.every((name) => found.includes(name))) return;
  await rm(folder, { recursive: true, force: true });
}

const imageFiles = ['guest.json', 'image.qcow2', 'initrd.img', 'vmlinuz'];

async function readImage(folder: string, key: string): Promise<BuiltImage> {
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

async function probe(deps: DebianBuilderDeps): Promise<Awaited<ReturnType<ImageBuilder['probe']>>> {
  const problems: { what: string; remedy: string }[] = [];
  if (arch() !== 'x64')
    problems.push({ what: `no Debian image for \`${arch()}\` yet`, remedy: 'use an x86_64 machine' });
  const isRoot = process.getuid?.() === 0;
  for (const [command, debianPackage] of requiredCommands(isRoot)) {
    try {
      await deps.exec(['which', command], { env: toolEnvironment(), timeoutMs: 10_000 });
    } catch {
      problems.push({ what: `\`${command}\` is not installed`, remedy: `sudo apt-get install ${debianPackage}` });
    }
  }
  await findMirror(deps.mirror, hostFiles).catch((error: unknown) => {
    const { message, remedy } = asFleetError(error);
    problems.push({ what: message, remedy: remedy ?? '' });
  });
  return { available: problems.length === 0, problems };
}

async function refuseWithoutRoom(folder: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= roomBytes) return;
  const free = Math.floor((bavail * bsize) / 1024 ** 2);
  throw new FleetError(
    'storage',
    `Building an image in \`${folder}\` takes 3072 MiB for a while; ${free} MiB are free.`,
    {
      remedy: `Free some disk space (images no longer used stand in \`${folder}\`), then run the same command again.`,
    },
  );
}
