import type { Clock } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import type { Exec } from '../lib/exec.ts';
import type { SavedChange } from './changes.ts';
import { cleanTree } from './clean-tree.ts';
import { ownIdentity, readCommit, signature, writeCommit } from './commit-object.ts';
import type { Git } from './git.ts';
import { defaultLimits, type ImportLimits, type Quarantined, rejecting, withQuarantine } from './quarantine.ts';
import { moveRef, readRef } from './refs.ts';
import { checkName, type ProjectRepository, taskRef } from './repository.ts';

export interface ImportDeps {
  exec: Exec;
  clock: Clock;
  program: string;
  path: string;
  limits?: Partial<ImportLimits>;
}

/**
 * Takes what a guest saved onto the task's one change. To be called by the project's one writer. In this order, so that a kill
 * between any two steps costs nothing: objects and the agent's commits, the new commit, the task's ref, jj.
 */
export async function importSaved(
  deps: ImportDeps,
  repository: ProjectRepository,
  task: string,
  save: { base: string; bundleFile: string },
): Promise<SavedChange> {
  const { git } = repository;
  const ref = taskRef(task);
  const head = await readRef(git, ref);
  if (head === null) {
    throw new FleetError('not_found', `Task \`${task}\` has no change in project \`${repository.project}\` yet.`);
  }
  const limits = { ...defaultLimits, ...deps.limits };
  const saved = await withQuarantine({ ...deps, limits }, repository, save.bundleFile, async (quarantined) => {
    const clean = await rejecting('its tree cannot be read', () => cleanTree(quarantined, save.base, limits));
    await keepAgentCommits(repository, task, quarantined);
    // Objects of the cleaned tree are made in quarantine; bring them over the same way.
    await bringTree(repository, quarantined, clean.tree);
    return clean;
  });
  const before = await readCommit(git, head);
  const isSame = before.tree === saved.tree && before.parents.length === 1 && before.parents[0] === save.base;
  let newHead = head;
  if (!isSame) {
    newHead = await writeCommit(git, {
      ...before,
      tree: saved.tree,
      parents: [save.base],
      committer: signature(ownIdentity, deps.clock.now()),
    });
    await moveRef(git, ref, newHead, head);
  }
  await repository.importRefs();
  return { head: newHead, tree: saved.tree, changed: !isSame, files: saved.files, leftOut: saved.leftOut };
}

/** Fetches the saved commit with all its history to `refs/rf/agent/<task>/<n>`, unless it is there already. */
async function keepAgentCommits(repository: ProjectRepository, task: string, from: Quarantined): Promise<void> {
  const { git } = repository;
  const folder = `refs/rf/agent/${checkName('task', task)}`;
  const kept = await git(['for-each-ref', '--format=%(objectname) %(refname)', folder]);
  let last = 0;
  for (const line of kept.split('\n')) {
    const [commit, name = ''] = line.split(' ');
    if (commit === from.commit) return;
    last = Math.max(last, Number(name.slice(folder.length + 1)) || 0);
  }
  await fetchInto(git, from.gitFolder, `refs/rf/in:${folder}/${last + 1}`);
}

async function bringTree(repository: ProjectRepository, from: Quarantined, tree: string): Promise<void> {
  const there = await repository.git.run(['cat-file', '-e', tree], { okExitCodes: [0, 1, 128] });
  if (there.exitCode === 0) return;
  const person = signature(ownIdentity, 0);
  const carrier = await writeCommit(from.git, {
    tree,
    parents: [],
    author: person,
    committer: person,
    changeId: null,
    message: 'carrier',
  });
  await from.git(['update-ref', 'refs/rf/carrier', carrier]);
  await fetchInto(repository.git, from.gitFolder, 'refs/rf/carrier');
}

export async function fetchInto(git: Git, source: string, refspec: string): Promise<void> {
  await git(['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules', source, refspec]);
}
