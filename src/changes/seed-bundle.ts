import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { refuseMissing } from './refs.ts';
import { exists, type ProjectRepository } from './repository.ts';

/** See `Changes.bundle`. The bundle holds one ref, `refs/rf/seed/<commit>`, with its whole history. */
export async function seedBundle(repository: ProjectRepository, commit: string): Promise<string> {
  const { git, folder, project } = repository;
  await refuseMissing(git, commit, project);
  const file = join(folder, 'seeds', `${commit}.bundle`);
  if (await exists(file)) return file;
  await mkdir(join(folder, 'seeds'), { recursive: true, mode: 0o700 });
  const aside = `${file}.${process.pid}.tmp`;
  try {
    await git(['update-ref', `refs/rf/seed/${commit}`, commit]);
    await git(['bundle', 'create', '--quiet', aside, `refs/rf/seed/${commit}`], { timeoutMs: 600_000 });
    await rename(aside, file);
  } finally {
    await rm(aside, { force: true });
    await rm(`${aside}.lock`, { force: true });
  }
  return file;
}
