import { readFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isAlive } from '../../lib/alive.ts';
import type { Clock } from '../../lib/clock.ts';
import { asFleetError } from '../../lib/errors.ts';
import type { Exec } from '../../lib/exec.ts';
import type { Log } from '../../lib/log.ts';
import type { Paths } from '../../lib/paths.ts';
import type { BuiltImage, ImageBuilder } from '../builder.ts';
import { dropBroken, readImage, refuseWithoutRoom } from '../built.ts';
import { type CacheDeps, cachedFolder, hashFolders, hashOf } from '../cache.ts';
import { toolsFor } from '../tools.ts';
import { makeImage, requiredCommands } from './bootstrap.ts';
import { builderVersion, cmdline, packages, suite } from './contents.ts';
import { toolEnvironment } from './environment.ts';
import { findMirror, hostFiles } from './mirror.ts';

export interface DebianBuilderDeps {
  exec: Exec;
  clock: Clock;
  log: Log;
  paths: Pick<Paths, 'images' | 'tools'>;
  /** `image.debianMirror`; null takes the one this machine installs from. */
  mirror: string | null;
  agents: readonly string[];
  /** Folder of this builder's own files, and of the guest's (`scripts`, `rootfs`); default: where they stand in the source. */
  assets?: string;
  guest?: string;
}

/** Free bytes a build wants at its widest: tree, raw disk and QCOW2 side by side. */
const roomBytes = 3 * 1024 ** 3;

export function createDebianBuilder(deps: DebianBuilderDeps): ImageBuilder {
  const assets = deps.assets ?? fileURLToPath(new URL('.', import.meta.url));
  const guest = deps.guest ?? fileURLToPath(new URL('../../guest/', import.meta.url));
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
    const assetHash = await hashFolders([join(assets, 'rootfs'), join(guest, 'rootfs'), join(guest, 'scripts')]);
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
      await refuseWithoutRoom(deps.paths.images, roomBytes);
      const mirror = await findMirror(deps.mirror, hostFiles);
      deps.log.info({ image, mirror }, 'building an image');
      const job = { aside, image, mirror, assets, guest, tools: toolsFor(deps.agents), progress, signal };
      await makeImage({ exec: deps.exec, toolCache: cacheIn(deps.paths.tools) }, job);
    };
    await dropBroken(join(deps.paths.images, image));
    const onWait = () => progress('waiting for another process that builds the same image');
    const folder = await cachedFolder(cacheIn(deps.paths.images), image, make, { onWait, signal });
    return await readImage(folder, image, cmdline);
  }

  return { name: 'debian', probe: () => probe(deps), key, build };
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
