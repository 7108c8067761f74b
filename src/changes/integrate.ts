import type { Clock } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import type { ProjectRef } from './changes.ts';
import { readCommit, signature, writeCommit } from './commit-object.ts';
import type { Git } from './git.ts';
import { identityOf } from './inspect.ts';
import { moveBranch } from './move-branch.ts';
import { checkCommit, moveRef, readRef, refuseMissing } from './refs.ts';
import { checkName, type ProjectRepository, taskRef } from './repository.ts';

export interface Approved {
  task: string;
  commit: string;
  base: string;
  message: string;
}

/**
 * Puts an approved commit on the user's branch. To be called by the project's one writer. The commit is made once and kept in
 * the host repository before anything of the user's moves: cut off anywhere and called again, the same commit lands, once.
 */
export async function integrate(
  deps: { clock: Clock },
  places: { repository: ProjectRepository; user: Git; project: ProjectRef },
  approved: Approved,
): Promise<{ commit: string }> {
  const { repository, user, project } = places;
  const commit = await finalCommit(deps, places, approved);
  // Only the objects: no ref of ours in the user's repository.
  const fetch = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules', '--no-auto-gc'];
  await user([...fetch, repository.gitFolder, finalRef(approved)]);
  await moveBranch(user, project, { from: approved.base, to: commit, task: approved.task });
  // The user's branch now holds the change under this id; the live ref follows, so that no repository sees the change twice.
  const ref = taskRef(approved.task);
  if ((await readRef(repository.git, ref)) === approved.commit) {
    await moveRef(repository.git, ref, commit, approved.commit);
  }
  await repository.importRefs();
  return { commit };
}

function finalRef(approved: Approved): string {
  const task = checkName('task', approved.task);
  return `refs/rf/approved/${task}/${checkCommit(approved.commit)}/${checkCommit(approved.base)}`;
}

/** The user's commit for this approval: made at the first call, the same ever after. */
async function finalCommit(
  deps: { clock: Clock },
  { repository, user, project }: { repository: ProjectRepository; user: Git; project: ProjectRef },
  approved: Approved,
): Promise<string> {
  const { git } = repository;
  const ref = finalRef(approved);
  const made = await readRef(git, ref);
  if (made !== null) return made;
  await refuseMissing(git, approved.commit, project.name);
  const change = await readCommit(git, approved.commit);
  if (change.parents.length !== 1 || change.parents[0] !== approved.base) {
    throw new FleetError(
      'stale_commit',
      `The approved commit \`${approved.commit}\` is not made on \`${approved.base}\`.`,
    );
  }
  const person = signature(await identityOrRefuse(user, project), deps.clock.now());
  const commit = await writeCommit(git, { ...change, author: person, committer: person, message: approved.message });
  await moveRef(git, ref, commit, null);
  return commit;
}

async function identityOrRefuse(user: Git, project: ProjectRef): Promise<{ name: string; email: string }> {
  const { userName, userEmail } = await identityOf(user);
  if (userName !== null && userEmail !== null) return { name: userName, email: userEmail };
  const missing = [userName === null ? '`user.name`' : '', userEmail === null ? '`user.email`' : ''].filter(Boolean);
  throw new FleetError('refused', `Git in \`${project.path}\` does not say who you are: no ${missing.join(' and ')}.`, {
    remedy:
      'git config --global user.name "Your Name"; git config --global user.email you@example.org; then approve again.',
  });
}
