import { copyFile, readFile, rm } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '../../lib/alive.ts';
import type { Clock } from '../../lib/clock.ts';
import { FleetError, isFleetError } from '../../lib/errors.ts';
import type { Exec } from '../../lib/exec.ts';
import type { Log } from '../../lib/log.ts';
import type { Paths } from '../../lib/paths.ts';
import { resourcePath, sourcePath } from '../../lib/resources.ts';
import type { BuiltImage, ImageBuilder } from '../builder.ts';
import { dropBroken, imageFiles, readImage, refuseWithoutRoom } from '../built.ts';
import { cachedFolder, hashOf } from '../cache.ts';
import { findNpmRegistry } from '../npm-registry.ts';
import { agentNames } from '../tools.ts';
import { buildCommand, type NixSystem, nixCommand, nixEnvironment, nixSystem, nixVersion } from './command.ts';
import { explain } from './explain.ts';
import { type FlakeSource, hashFlake, stageFlake } from './flake.ts';
import { createNixProgress } from './progress.ts';

export interface NixBuilderDeps {
  exec: Exec;
  clock: Clock;
  log: Log;
  paths: Pick<Paths, 'images'>;
  agents: readonly string[];
  /** Where the flake is; default: this checkout or package. */
  flake?: FlakeSource;
  /** Environment of `nix`; default: what it needs of ours. */
  env?: Record<string, string>;
  arch?: string;
}

/** Raised when this code makes something else of the same flake. */
const builderVersion = 1;
/** Below it nixpkgs does not evaluate. */
const least = { major: 2, minor: 18 };
const roomBytes = 3 * 1024 ** 3;
const buildMs = 6 * 3_600_000;

/**
 * The image of `flake.nix`, by the Nix of this machine. Its files are copied out of the store into the fleet's own cache, as those of
 * every builder: nothing here keeps the store's paths alive, and `nix store gc` may run at any time.
 */
export function createNixBuilder(deps: NixBuilderDeps): ImageBuilder {
  const flake = deps.flake ?? { root: resourcePath('.'), sources: sourcePath('.') };
  const env = deps.env ?? nixEnvironment();
  const agents = agentNames(deps.agents);
  const system = nixSystem(deps.arch ?? arch());
  const cache = {
    root: deps.paths.images,
    exec: deps.exec,
    clock: deps.clock,
    pid: process.pid,
    isAlive,
  };

  async function key(): Promise<string> {
    return hashOf(['nix', String(builderVersion), String(system), agents.join(), await hashFlake(flake)]);
  }

  async function make(aside: string, image: string, progress: (what: string) => void, signal?: AbortSignal) {
    if (system === null) throw noSystem(deps.arch ?? arch());
    await refuseWithoutRoom(deps.paths.images, roomBytes);
    deps.log.info({ image, system }, 'building an image with Nix');
    const staged = join(aside, 'flake');
    const result = join(aside, 'result');
    const npmRegistry = (await findNpmRegistry(deps.exec, env)).url;
    await stageFlake(flake, staged, { image, agents, npmRegistry });
    progress('asking Nix what is to be done');
    await run(buildCommand(staged, system, result), { system, folder: deps.paths.images }, progress, signal);
    progress('copying the image');
    await copyOut(result, aside);
    // Which nixpkgs it was, where none is pinned.
    await copyFile(join(staged, 'flake.lock'), join(aside, 'flake.lock')).catch(() => {});
    await rm(result, { force: true });
    await rm(staged, { recursive: true, force: true });
  }

  async function copyOut(result: string, aside: string): Promise<void> {
    try {
      for (const file of builtFiles) {
        await deps.exec(['cp', '-L', '--', join(result, file), join(aside, file)], { timeoutMs: 600_000 });
        await deps.exec(['chmod', 'u+w', '--', join(aside, file)], { timeoutMs: 10_000 });
      }
    } catch (cause) {
      throw new FleetError('image_failed', 'Nix ended well, but the whole image could not be taken from its store.', {
        remedy: 'Run the same command again.',
        cause,
      });
    }
  }

  async function run(
    argv: string[],
    build: { system: NixSystem; folder: string },
    progress: (what: string) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    try {
      const onOutput = createNixProgress(progress);
      await deps.exec(argv, { env, cwd: '/', timeoutMs: buildMs, onOutput, ...(signal ? { signal } : {}) });
    } catch (error) {
      if (signal?.aborted || isFleetError(error, 'command_missing')) throw error;
      throw explain(error, build);
    }
  }

  async function build(progress: (what: string) => void, signal?: AbortSignal): Promise<BuiltImage> {
    const image = await key();
    await dropBroken(join(deps.paths.images, image), builtFiles);
    const onWait = () => progress('waiting for another process that builds the same image');
    const folder = await cachedFolder(cache, image, (aside) => make(aside, image, progress, signal), {
      onWait,
      signal,
    });
    return await readImage(folder, image, (await readFile(join(folder, 'cmdline'), 'utf8')).trim());
  }

  return { name: 'nix', probe: () => probe({ ...deps, env }, system), key, build };
}

const builtFiles = [...imageFiles, 'cmdline'] as const;

async function probe(
  deps: Pick<NixBuilderDeps, 'exec' | 'arch'> & { env: Record<string, string> },
  system: NixSystem | null,
): Promise<Awaited<ReturnType<ImageBuilder['probe']>>> {
  const problem = async () => {
    if (system === null) return noSystem(deps.arch ?? arch());
    const asked = { env: deps.env, timeoutMs: 20_000 };
    try {
      const { stdout } = await deps.exec(['nix', '--version'], asked);
      const version = nixVersion(stdout);
      if (
        version === null ||
        version.major < least.major ||
        (version.major === least.major && version.minor < least.minor)
      ) {
        return new FleetError('refused', `Nix here is \`${version?.shown ?? stdout.trim().slice(0, 80)}\``, {
          remedy: `install Nix ${least.major}.${least.minor} or newer`,
        });
      }
      // Opens the store, or asks the daemon; also proves that flakes may be used.
      await deps.exec(nixCommand('store', 'ping'), asked);
      return null;
    } catch (error) {
      if (isFleetError(error, 'command_missing')) {
        return new FleetError('refused', '`nix` is not installed', { remedy: 'install Nix 2.18 or newer' });
      }
      return explain(error, { system, folder: '' });
    }
  };
  const found = await problem();
  const problems = found === null ? [] : [{ what: found.message, remedy: found.remedy ?? '' }];
  return { available: found === null, problems };
}

function noSystem(name: string): FleetError {
  return new FleetError('refused', `No NixOS image is known for the processor \`${name}\`.`, {
    remedy: 'Use an x86_64 or arm64 machine.',
  });
}
