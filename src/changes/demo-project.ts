import { cp, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FleetError } from '../lib/errors.ts';
import { baseEnvironment, type Exec } from '../lib/exec.ts';
import { ownIdentity } from './commit-object.ts';
import { createUserGit } from './git.ts';
import { identityOf } from './inspect.ts';
import { exists } from './repository.ts';

export interface DemoDeps {
  exec: Exec;
  /** The folder `demo/project` of this program. */
  source: string;
  git?: string;
  userEnv?: Record<string, string>;
}

/**
 * Makes the demo's sample project at `target`: a git repository with one commit on `main`, by the user where git knows the user;
 * else by a name of its own, which is then set in that repository only. One that is there stays as it is.
 */
export async function createDemoProject(deps: DemoDeps, target: string): Promise<void> {
  if (await exists(join(target, '.git'))) return;
  const isTaken = await readdir(target).then(
    (names) => names.length > 0,
    () => false,
  );
  if (isTaken) {
    throw new FleetError('refused', `\`${target}\` is not empty and no git repository.`, {
      remedy: 'Move it away, or choose another folder.',
    });
  }
  await mkdir(dirname(target), { recursive: true });
  // Made aside and renamed, so that a cut-off never leaves half a project.
  const aside = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
  await rm(aside, { recursive: true, force: true });
  try {
    await cp(deps.source, aside, { recursive: true });
    await firstCommit(deps, aside);
    await rm(target, { recursive: true, force: true });
    await rename(aside, target);
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

async function firstCommit(deps: DemoDeps, folder: string): Promise<void> {
  const env = deps.userEnv ?? baseEnvironment();
  const git = createUserGit({ exec: deps.exec, program: deps.git ?? 'git', checkout: folder, env });
  await git(['init', '--quiet', '--template=', '--initial-branch=main']);
  const { userName, userEmail } = await identityOf(git);
  if (userName === null) await git(['config', 'user.name', `${ownIdentity.name} demo`]);
  if (userEmail === null) await git(['config', 'user.email', 'demo@localhost']);
  await git(['add', '--all', '--force']);
  await git([
    '-c',
    'commit.gpgSign=false',
    'commit',
    '--quiet',
    '--no-verify',
    '-m',
    'A sample project with failing tests',
  ]);
}
