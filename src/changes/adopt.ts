import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FleetError, isFleetError } from '../lib/errors.ts';
import { savedRef } from './bundle-header.ts';
import type { AdoptedChange } from './changes.ts';
import { fetchInto, type ImportDeps } from './import-saved.ts';
import { defaultLimits, withQuarantine } from './quarantine.ts';
import { checkCommit, readRef, refuseMissing } from './refs.ts';
import type { ProjectRepository } from './repository.ts';

const maxChangeBytes = 48 * 1024 * 1024;

/** See `Changes.exportChange`. One ref, named as in a guest's bundle: what reads it is the same. */
export async function exportChange(
  { git, folder, project }: ProjectRepository,
  base: string,
  commit: string,
): Promise<Uint8Array | null> {
  await refuseMissing(git, base, project);
  await refuseMissing(git, commit, project);
  const count = await git(['rev-list', '--count', commit, `^${base}`]);
  if (count.trim() === '0') return null;
  // One writer: a killed one's file and lock are nobody's.
  const file = join(folder, 'export.bundle');
  const clear = () => Promise.all([file, `${file}.lock`].map((path) => rm(path, { force: true })));
  await clear();
  try {
    await git(['update-ref', savedRef, commit]);
    await git(['bundle', 'create', '--quiet', file, savedRef, `^${base}`], { timeoutMs: 600_000 });
    const bytes = await readFile(file);
    if (bytes.length <= maxChangeBytes) return bytes;
    const most = maxChangeBytes / 1024 / 1024;
    throw new FleetError(
      'too_large',
      `The change takes ${bytes.length} bytes; an evidence bundle holds ${most} MiB of it.`,
    );
  } finally {
    await git(['update-ref', '-d', savedRef]);
    await clear();
  }
}

/** See `Changes.adopt`. */
export async function adopt(
  deps: Omit<ImportDeps, 'clock'>,
  repository: ProjectRepository,
  source: string,
  { base, commit, change }: AdoptedChange,
): Promise<void> {
  const { git } = repository;
  const fetch = ['fetch', '--quiet', '--no-write-fetch-head', '--no-recurse-submodules', '--no-tags'];
  await git([...fetch, source, '+refs/*:refs/rf/from/*'], { timeoutMs: 600_000 });
  if ((await readRef(git, checkCommit(base))) !== base) {
    throw new FleetError('not_found', `\`${source}\` has no commit \`${base}\`, on which the change was made.`, {
      remedy: 'Name the repository it was made in with --repository, and fetch its branches first.',
    });
  }
  if (change !== null && (await readRef(git, checkCommit(commit))) !== commit)
    await takeChange(deps, repository, change, commit);
  await refuseMissing(git, commit, source);
}

async function takeChange(
  deps: Omit<ImportDeps, 'clock'>,
  repository: ProjectRepository,
  file: string,
  commit: string,
): Promise<void> {
  const limits = { ...defaultLimits, ...deps.limits, bundleBytes: maxChangeBytes };
  try {
    await withQuarantine({ ...deps, limits }, repository, file, async (quarantined) => {
      if (quarantined.commit !== commit) {
        throw new FleetError('change_rejected', `It holds \`${quarantined.commit}\` instead of \`${commit}\`.`);
      }
      await fetchInto(repository.git, quarantined.gitFolder, `refs/rf/in:refs/rf/replay/${commit}`);
    });
  } catch (cause) {
    if (!isFleetError(cause, 'change_rejected') && !isFleetError(cause, 'too_large')) throw cause;
    throw new FleetError('invalid_file', 'The change in the evidence bundle cannot be taken.', { cause });
  }
}
