import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FleetError, isFleetError } from '../../lib/errors.ts';
import type { Exec } from '../../lib/exec.ts';
import type { CacheDeps } from '../cache.ts';
import type { NpmTool } from '../tools.ts';
import { packages, suite } from './contents.ts';
import { toolEnvironment } from './environment.ts';
import { installTools } from './npm-tools.ts';
import { createBootstrapProgress } from './progress.ts';

export interface ImageJob {
  /** Folder to fill with image.qcow2, vmlinuz, initrd.img, guest.json. */
  aside: string;
  image: string;
  mirror: string;
  assets: string;
  guest: string;
  tools: readonly NpmTool[];
  progress: (what: string) => void;
  signal: AbortSignal | undefined;
}

/** Commands a build runs on the host, and the Debian packages that bring them. */
export function requiredCommands(isRoot: boolean): readonly (readonly [string, string])[] {
  const always = [
    ['mmdebstrap', 'mmdebstrap'],
    ['mke2fs', 'e2fsprogs'],
    ['qemu-img', 'qemu-utils'],
    ['xz', 'xz-utils'],
    ['npm', 'npm'],
  ] as const;
  return isRoot ? always : [...always, ['newuidmap', 'uidmap'] as const];
}

/** Tree, file system, QCOW2, one after the other; what is in between is removed as soon as it is not needed. */
export async function makeImage(deps: { exec: Exec; toolCache: CacheDeps }, job: ImageJob): Promise<void> {
  const root = join(job.aside, 'root');
  const raw = join(job.aside, 'raw.ext4');
  const run = runner(deps.exec, job);

  job.progress('fetching npm and agent CLIs');
  const tools = await installTools(deps.toolCache, job.tools, job.signal);
  await bootstrap(run, job, root, tools);
  for (const file of ['boot/vmlinuz', 'boot/initrd.img', 'etc/ralph/guest.json']) {
    await copyFile(join(root, file), join(job.aside, file.replace(/^.*\//, '')));
  }

  job.progress('making the file system');
  const features = ['-m', '0', '-L', 'ralph', '-J', 'size=32', '-E', 'lazy_itable_init=1,lazy_journal_init=1'];
  await run([...asRoot(), 'mke2fs', '-q', '-t', 'ext4', '-d', root, ...features, raw, '6G'], 300_000);
  await run([...asRoot(), 'rm', '-rf', '--one-file-system', root], 120_000);
  job.progress('compressing the disk');
  const format = ['-f', 'raw', '-O', 'qcow2', '-c', '-o', 'compression_type=zstd'];
  await run(['qemu-img', 'convert', ...format, raw, join(job.aside, 'image.qcow2')], 600_000);
  await rm(raw, { force: true });
}

async function bootstrap(run: Run, job: ImageJob, root: string, tools: string): Promise<void> {
  job.progress('starting mmdebstrap');
  const sources = join(job.aside, 'sources.list');
  await writeFile(sources, `deb ${job.mirror} ${suite} main\n`);
  await mkdir(root);
  const options = ['--verbose', '--mode=root', '--variant=apt', '--format=directory', `--include=${packages.join()}`];
  // A testing suite's Release file may count as expired on a mirror that stands still.
  options.push('--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=APT::Install-Recommends "false"');
  options.push('--dpkgopt=force-unsafe-io');
  for (const folder of ['doc', 'man', 'locale', 'info']) options.push(`--dpkgopt=path-exclude=/usr/share/${folder}/*`);
  options.push(`--customize-hook=${quoted(join(job.assets, 'customize'))} "$1"`);
  const env = { RALPH_ASSETS: job.assets, RALPH_GUEST: job.guest, RALPH_IMAGE: job.image, RALPH_TOOLS: tools };
  const argv = [...asRoot(), 'mmdebstrap', ...options, suite, root, sources];
  await run(argv, 3_600_000, env, createBootstrapProgress(job.progress).push);
  await rm(sources);
}

/** mmdebstrap gives a hook to `sh -c`. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`;
}

/** Files of a guest belong to many users: without root that takes a user namespace of one's own. */
function asRoot(): string[] {
  if (process.getuid?.() === 0) return [];
  return ['unshare', '--map-root-user', '--map-auto', '--mount', '--pid', '--fork', '--kill-child', '--'];
}

type Run = (
  argv: string[],
  timeoutMs: number,
  env?: Record<string, string>,
  onOutput?: (chunk: Uint8Array) => void,
) => Promise<void>;

function runner(exec: Exec, job: ImageJob): Run {
  return async (argv, timeoutMs, env = {}, onOutput = () => {}) => {
    try {
      await exec(argv, {
        env: toolEnvironment(env),
        timeoutMs,
        onOutput,
        ...(job.signal ? { signal: job.signal } : {}),
      });
    } catch (error) {
      if (job.signal?.aborted || isFleetError(error, 'command_missing')) throw error;
      throw explain(error, job);
    }
  };
}

/** The few failures people meet, by what apt, dpkg and the others print; anything else with its own last words. */
export function explain(error: unknown, job: Pick<ImageJob, 'mirror' | 'aside'>): FleetError {
  const details = isFleetError(error) ? error.details : {};
  const said = `${String(details['stderr'] ?? '')}\n${error instanceof Error ? error.message : ''}`;
  if (/No space left on device|disk full/i.test(said)) {
    return new FleetError('storage', `The disk of \`${job.aside}\` became full while the image was built.`, {
      remedy: 'Free some disk space, then run the same command again.',
      cause: error,
    });
  }
  const unreachable =
    /Could not connect|Temporary failure resolving|Could not resolve|Unable to connect|Failed to fetch/i;
  if (unreachable.test(said) || /does not have a Release file|404 +Not Found/i.test(said)) {
    return new FleetError('image_failed', `The Debian mirror \`${job.mirror}\` could not give \`${suite}\`.`, {
      remedy: 'See whether it answers from here, or name another in fleet.yaml as `image.debianMirror`.',
      cause: error,
    });
  }
  if (/NO_PUBKEY|not signed|Missing key/i.test(said)) {
    return new FleetError('image_failed', `This machine lacks the key that signs Debian \`${suite}\`.`, {
      remedy: 'sudo apt-get install debian-archive-keyring',
      cause: error,
    });
  }
  return new FleetError('image_failed', 'The Debian image could not be built.', {
    remedy: 'Run the same command again; if it fails the same way, the lines below say where.',
    cause: error,
  });
}
