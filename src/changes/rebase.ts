import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import { ownIdentity, readCommit, signature, writeCommit } from './commit-object.ts';
import type { Git } from './git.ts';
import { parsePathName } from './path-name.ts';
import { moveRef, readRef } from './refs.ts';
import { type ProjectRepository, taskRef } from './repository.ts';

export type RebaseResult = { head: string; equalPatch: boolean } | { conflict: string[] };

/** Moves the task's change onto `newBase`; with a conflict nothing moves. To be called by the project's one writer. */
export async function rebase(
  deps: { clock: Clock },
  repository: ProjectRepository,
  task: string,
  newBase: string,
): Promise<RebaseResult> {
  const { git } = repository;
  const ref = taskRef(task);
  const head = await readRef(git, ref);
  if (head === null) throw new FleetError('not_found', `Task \`${task}\` has no change to move.`);
  const change = await readCommit(git, head);
  const [base] = change.parents;
  if (base === undefined) throw new FleetError('bug', `The change of task \`${task}\` has no parent.`);
  if (base === newBase) {
    await repository.importRefs();
    return { head, equalPatch: true };
  }
  const merged = await mergeTrees(git, { base, ours: newBase, theirs: head });
  if ('conflict' in merged) return merged;
  const committer = signature(ownIdentity, deps.clock.now());
  const moved = await writeCommit(git, { ...change, tree: merged.tree, parents: [newBase], committer });
  const equalPatch = await isEqualPatch(repository, [base, head], [newBase, moved]);
  await moveRef(git, ref, moved, head);
  await repository.importRefs();
  return { head: moved, equalPatch };
}

/**
 * A three-way merge with a given base. Git before 2.40 has no `merge-tree --merge-base`, so the merge is asked of three
 * commits made for it, whose only common ancestor holds the base's tree.
 */
async function mergeTrees(
  git: Git,
  sides: { base: string; ours: string; theirs: string },
): Promise<{ tree: string } | { conflict: string[] }> {
  const person = signature(ownIdentity, 0);
  const standIn = async (commit: string, parents: string[]) => {
    const { tree } = await readCommit(git, commit);
    return writeCommit(git, { tree, parents, author: person, committer: person, changeId: null, message: 'side' });
  };
  const root = await standIn(sides.base, []);
  const ours = await standIn(sides.ours, [root]);
  const theirs = await standIn(sides.theirs, [root]);
  const args = [
    '-c',
    'core.quotePath=true',
    'merge-tree',
    '--write-tree',
    '--name-only',
    '--no-messages',
    ours,
    theirs,
  ];
  const result = await git.run(args, { okExitCodes: [0, 1] });
  const [tree = '', ...paths] = result.stdout.split('\n').filter((line) => line !== '');
  if (result.exitCode === 0) return { tree };
  return { conflict: [...new Set(paths.map((path) => parsePathName(path).shown))] };
}

/** Equal to the byte, but for line numbers and blob ids; read as bytes, since not all content is text. */
async function isEqualPatch(
  repository: ProjectRepository,
  a: readonly [string, string],
  b: readonly [string, string],
): Promise<boolean> {
  const patches: string[] = [];
  for (const [base, commit] of [a, b]) {
    const file = join(repository.folder, `patch-${process.pid}-${commit}.diff`);
    try {
      const plain = ['--no-ext-diff', '--no-textconv', '--no-renames', '--binary', '--full-index', '--no-color'];
      await repository.git(['diff', ...plain, `--output=${file}`, base, commit]);
      patches.push(withoutPlaces(await readFile(file, 'latin1')));
    } finally {
      await rm(file, { force: true });
    }
  }
  return patches[0] === patches[1];
}

/** Content lines begin with space, `+`, `-` or `\`; a line that begins with these words is git's own. */
export function withoutPlaces(patch: string): string {
  const lines = patch.split('\n').map((line) => {
    if (/^@@ -\S+ \+\S+ @@/.test(line)) return '@@';
    return line.replace(/^index [0-9a-f]{40}\.\.[0-9a-f]{40}/, 'index');
  });
  return lines.join('\n');
}
