import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { FleetError, isFleetError } from '../lib/errors.ts';
import type { ProjectRef } from './changes.ts';
import type { Git } from './git.ts';
import { readRef } from './refs.ts';
import { absentMode, diffTrees } from './tree-diff.ts';

export interface BranchMove {
  from: string;
  to: string;
  task: string;
}

/**
 * Fast-forwards the user's branch, with the working files where it is checked out. Files with changes of the user's own, ignored
 * ones too, are never written over: then nothing moves. A repository shared with jj has a detached HEAD: only the ref moves.
 */
export async function moveBranch(user: Git, project: ProjectRef, move: BranchMove): Promise<void> {
  const ref = `refs/heads/${project.branch}`;
  const tip = await readRef(user, ref);
  if (tip === null) {
    throw new FleetError('not_found', `\`${project.path}\` has no branch \`${project.branch}\`.`, {
      remedy: `git -C ${project.path} branch ${project.branch} ${move.from}`,
    });
  }
  const isThere = await user.run(['merge-base', '--is-ancestor', move.to, tip], { okExitCodes: [0, 1] });
  if (isThere.exitCode === 0) return;
  if (tip !== move.from) {
    throw new FleetError(
      'stale_commit',
      `\`${project.branch}\` moved from ${move.from} to ${tip} since the approval.`,
      {
        details: { tip },
      },
    );
  }
  const checkouts = await checkoutsOf(user, ref);
  const [checkout, another] = checkouts;
  if (another !== undefined) {
    throw new FleetError('change_conflict', `\`${project.branch}\` is checked out twice: ${checkouts.join(', ')}.`, {
      remedy: 'Switch one of them to another branch, then approve again.',
    });
  }
  if (checkout === undefined) await moveRefOnly(user, project, move);
  else await moveCheckout(user, project, checkout, move);
}

async function moveRefOnly(user: Git, project: ProjectRef, move: BranchMove): Promise<void> {
  try {
    await user(['update-ref', '-m', `ralph-fleet: ${move.task}`, `refs/heads/${project.branch}`, move.to, move.from]);
  } catch (cause) {
    throw new FleetError('stale_commit', `\`${project.branch}\` in \`${project.path}\` moved at this moment.`, {
      cause,
    });
  }
}

async function moveCheckout(user: Git, project: ProjectRef, checkout: string, move: BranchMove): Promise<void> {
  const at = ['-C', checkout];
  await finishCutOff(user, checkout, move);
  try {
    await user([
      ...at,
      'merge',
      '--quiet',
      '--ff-only',
      '--no-overwrite-ignore',
      '--no-autostash',
      '--no-stat',
      move.to,
    ]);
  } catch (cause) {
    if (!isFleetError(cause, 'command_failed')) throw cause;
    throw new FleetError(
      'change_conflict',
      `\`${project.branch}\` is checked out in \`${checkout}\` and cannot move there.`,
      {
        cause,
        remedy: 'Commit or stash your changes to the files that git names, then approve again. Nothing was changed.',
      },
    );
  }
}

/**
 * When git itself was cut off while it wrote the files (power, kill), some already hold their new content, and git would take
 * them for changes of the user's. A file that equals the commit to the byte is no loss: the index is told so.
 */
async function finishCutOff(user: Git, checkout: string, move: BranchMove): Promise<void> {
  const at = ['-C', checkout];
  const dirty = new Set(
    (await user([...at, 'status', '--porcelain', '--no-renames', '--untracked-files=all', '--ignored=matching']))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.slice(3)),
  );
  if (dirty.size === 0) return;
  const updates: string[] = [];
  for (const change of await diffTrees(user, move.from, move.to)) {
    // `status` quotes names with spaces too, `diff-tree` does not.
    if (!dirty.has(change.name.quoted) && !dirty.has(`"${change.name.quoted}"`)) continue;
    if (change.newMode === absentMode || !change.name.isText || !change.newMode.startsWith('100')) continue;
    const name = change.name.shown;
    const hash = await user.run([...at, 'hash-object', '--path', name, '--', resolve(checkout, name)], {
      okExitCodes: [0, 1, 128],
    });
    if (hash.stdout.trim() === change.newObject) {
      updates.push(`${change.newMode} ${change.newObject}\t${change.name.quoted}\n`);
    }
  }
  if (updates.length > 0) await user([...at, 'update-index', '--index-info'], { input: updates.join('') });
}

/** Worktrees that have the branch checked out, or are in the middle of rebasing it. */
async function checkoutsOf(user: Git, ref: string): Promise<string[]> {
  const found: string[] = [];
  for (const block of (await user(['worktree', 'list', '--porcelain'])).split('\n\n')) {
    const lines = block.split('\n');
    const path = lines.find((line) => line.startsWith('worktree '))?.slice('worktree '.length);
    if (path === undefined || lines.includes('bare') || lines.some((line) => line.startsWith('prunable'))) continue;
    if (lines.includes(`branch ${ref}`)) found.push(path);
    else await refuseRebasing(user, path, ref);
  }
  return found;
}

async function refuseRebasing(user: Git, worktree: string, ref: string): Promise<void> {
  for (const state of ['rebase-merge', 'rebase-apply']) {
    const file = await user.run(['-C', worktree, 'rev-parse', '--git-path', `${state}/head-name`], {
      okExitCodes: [0, 128],
    });
    const name = await readFile(resolve(worktree, file.stdout.trim() || '.missing'), 'utf8').catch(() => '');
    if (name.trim() === ref) {
      throw new FleetError('change_conflict', `\`${ref}\` is being rebased in \`${worktree}\`.`, {
        remedy: 'Finish with `git rebase --continue` or `git rebase --abort`, then approve again.',
      });
    }
  }
}
