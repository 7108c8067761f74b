import { sha256 } from '../lib/digest.ts';
import { FleetError } from '../lib/errors.ts';
import type { RewoundChange } from './changes.ts';
import { readCommit, toChangeId, writeCommit } from './commit-object.ts';
import type { Git } from './git.ts';
import { moveRef, readRef, refuseMissing } from './refs.ts';
import { keptRef, type ProjectRepository, taskRef } from './repository.ts';

/**
 * Puts the task's change back to `to`: a state it once had, or its base, which is its beginning. What it takes back, `from`, is kept as a
 * branch of its own, and a change of its own: jj knows no two of one id. To be called by the project's one writer; cut off anywhere it
 * can be made again.
 */
export async function rewind(
  repository: ProjectRepository,
  task: string,
  { from, to }: { from: string | null; to: string },
): Promise<RewoundChange> {
  const { git } = repository;
  const ref = taskRef(task);
  const head = await readRef(git, ref);
  if (head === null) throw new FleetError('not_found', `Task \`${task}\` has no change to put back.`);
  await refuseMissing(git, to, repository.project);
  const now = await readCommit(git, head);
  const [base = ''] = now.parents;
  const isBeginning = to === base;
  const target = isBeginning ? await beginning(git, now, base) : to;
  const { changeId, parents } = await readCommit(git, target);
  const [targetBase] = parents;
  if (changeId !== now.changeId || targetBase === undefined || parents.length !== 1) {
    throw new FleetError('usage', `\`${to}\` is no earlier state of the change of task \`${task}\`.`);
  }
  const kept = from === null ? null : await keep(git, task, from, target);
  await moveRef(git, ref, target, head);
  await repository.importRefs();
  return { head: isBeginning ? null : target, base: targetBase, kept };
}

async function beginning(git: Git, now: Awaited<ReturnType<typeof readCommit>>, base: string): Promise<string> {
  const { tree } = await readCommit(git, base);
  return writeCommit(git, { ...now, tree, parents: [base] });
}

/** The same each time it is asked for one commit; null where that holds nothing more. */
async function keep(git: Git, task: string, head: string, target: string): Promise<string | null> {
  const now = await readCommit(git, head);
  const [base = ''] = now.parents;
  const others = [await readCommit(git, target), await readCommit(git, base)];
  if (others.some(({ tree }) => tree === now.tree)) return null;
  const copy = await writeCommit(git, { ...now, changeId: toChangeId(sha256(`kept ${head}`).slice(0, 32)) });
  for (let n = 1; ; n++) {
    const ref = keptRef(task, n);
    const there = await readRef(git, ref);
    if (there === null) await moveRef(git, ref, copy, null);
    if (there === null || there === copy) return shown(ref);
  }
}

function shown(ref: string): string {
  return ref.slice('refs/heads/'.length);
}
