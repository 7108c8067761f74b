import { mkdir, mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FleetError, isAbort, isFleetError } from '../lib/errors.ts';
import type { Exec } from '../lib/exec.ts';
import { maxHeaderBytes, parseBundleHeader } from './bundle-header.ts';
import { createOwnGit, type Git } from './git.ts';
import type { ProjectRepository } from './repository.ts';

export interface ImportLimits {
  /** Of the bundle file. */
  bundleBytes: number;
  /** Changed paths. */
  files: number;
  /** Of the changed files, unpacked. */
  treeBytes: number;
}

export const defaultLimits: ImportLimits = {
  bundleBytes: 1024 ** 3,
  files: 100_000,
  treeBytes: 4 * 1024 ** 3,
};

export interface Quarantined {
  git: Git;
  gitFolder: string;
  /** The commit that the guest saved. */
  commit: string;
  folder: string;
}

interface QuarantineDeps {
  exec: Exec;
  program: string;
  path: string;
  limits: ImportLimits;
}

const unpackTimeoutMs = 600_000;
/**
 * Unpacks a guest's bundle into a repository of its own that borrows the project's objects, with all object checks, and hands it
 * to `use`. Nothing of it is in the project's repository until `use` fetches it; afterwards it is gone.
 */
export async function withQuarantine<T>(
  deps: QuarantineDeps,
  repository: ProjectRepository,
  bundleFile: string,
  use: (quarantined: Quarantined) => Promise<T>,
): Promise<T> {
  const header = await readHeader(bundleFile, deps.limits.bundleBytes);
  const parent = join(repository.folder, 'quarantine');
  await mkdir(parent, { recursive: true, mode: 0o700 });
  await sweep(parent);
  const folder = await mkdtemp(join(parent, `${process.pid}-`));
  try {
    const gitFolder = join(folder, 'git');
    await makeBorrower(gitFolder, repository.gitFolder);
    const git = createOwnGit({ exec: deps.exec, program: deps.program, gitFolder, path: deps.path });
    await unpack(git, bundleFile, { ...header, maxBytes: deps.limits.bundleBytes });
    return await use({ git, gitFolder, commit: header.commit, folder });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }

  async function unpack(git: Git, file: string, pack: { packOffset: number; maxBytes: number; commit: string }) {
    await rejecting('git finds its objects wrong or incomplete', async () => {
      await git(['bundle', 'verify', '--quiet', file]);
      const indexPack = ['index-pack', '--stdin', '--fix-thin', '--strict', `--max-input-size=${pack.maxBytes}`];
      await git(['-c', 'core.bigFileThreshold=32m', ...indexPack], {
        timeoutMs: unpackTimeoutMs,
        inputFile: { path: file, offset: pack.packOffset },
      });
      const type = await git(['cat-file', '-t', pack.commit]);
      if (type !== 'commit\n') throw new FleetError('change_rejected', `\`${pack.commit}\` is a ${type.trim()}.`);
      await git(['update-ref', 'refs/rf/in', pack.commit]);
    });
  }
}

/** Whatever git says against a guest's objects is a refusal of the change, not a failure of ours. */
export async function rejecting<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (isAbort(cause) || isFleetError(cause, 'command_missing') || isFleetError(cause, 'too_large')) throw cause;
    if (isFleetError(cause, 'bug')) throw cause;
    throw new FleetError('change_rejected', `What the guest saved was refused: ${what}.`, {
      cause,
      remedy: 'The workspace in the VM still has it; look inside with `ralph-fleet attach`.',
    });
  }
}

async function readHeader(bundleFile: string, maxBytes: number) {
  const { size } = await stat(bundleFile);
  if (size > maxBytes) {
    throw new FleetError('too_large', `The bundle \`${bundleFile}\` has ${size} bytes; at most ${maxBytes} are taken.`);
  }
  const file = await open(bundleFile, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxHeaderBytes), 0, maxHeaderBytes, 0);
    return parseBundleHeader(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

async function makeBorrower(gitFolder: string, lender: string): Promise<void> {
  await mkdir(join(gitFolder, 'objects/info'), { recursive: true, mode: 0o700 });
  await mkdir(join(gitFolder, 'refs'));
  await writeFile(join(gitFolder, 'objects/info/alternates'), `${join(lender, 'objects')}\n`);
  await writeFile(join(gitFolder, 'HEAD'), 'ref: refs/heads/none\n');
  await writeFile(join(gitFolder, 'config'), '[core]\n\trepositoryformatversion = 0\n\tbare = true\n');
}

/** Removes what a killed process left. We are the one writer, so whatever lies here is nobody's. */
async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) await rm(join(parent, name), { recursive: true, force: true });
}
