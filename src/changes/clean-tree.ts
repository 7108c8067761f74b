import { join, posix } from 'node:path';
import { FleetError } from '../lib/errors.ts';
import type { Git } from './git.ts';
import type { ImportLimits, Quarantined } from './quarantine.ts';
import { diffTrees, gitlinkMode, putBack, symlinkMode, type TreeChange } from './tree-diff.ts';

const maxSymlinks = 2000;

export interface CleanTree {
  tree: string;
  /** Changed paths that are in it. */
  files: number;
  /** What is not in it, with the reason, at most `maxListed`. */
  leftOut: string[];
}

const maxListed = 200;

/**
 * The saved tree without what a checkout of a person cannot or should not hold: new or changed repositories in the repository,
 * links out of it, names that are no text. They are left as they are in the base and listed; what the agent committed is kept
 * as it was in `refs/rf/agent`. What the base already holds is the user's and stays.
 */
export async function cleanTree(from: Quarantined, base: string, limits: ImportLimits): Promise<CleanTree> {
  const { git, commit } = from;
  await refuseEndless(git, commit);
  const changes = await diffTrees(git, base, commit);
  if (changes.length > limits.files) {
    throw new FleetError('too_large', `The guest changed ${changes.length} files; at most ${limits.files} are taken.`);
  }
  await refuseTooLarge(git, changes, limits);
  const odd: { change: TreeChange; why: string }[] = [];
  const links = changes.filter((c) => c.newMode === symlinkMode && c.newObject !== c.oldObject);
  if (links.length > maxSymlinks) {
    throw new FleetError('change_rejected', `The guest made ${links.length} symbolic links.`);
  }
  for (const change of changes) {
    const why = await oddity(git, change);
    if (why !== null) odd.push({ change, why });
  }
  const changed = changes.length - odd.length;
  const tree = (await git(['rev-parse', '--verify', `${commit}^{tree}`])).trim();
  // Through an index also when nothing is left out: that writes every mode and order as git itself would.
  const cleaned = await putBack(
    git,
    tree,
    odd.map((o) => o.change),
    join(from.folder, 'index'),
  );
  const listed = odd.slice(0, maxListed).map((o) => `${o.change.name.shown} (${o.why})`);
  const more = odd.length > maxListed ? [`… and ${odd.length - maxListed} more`] : [];
  return { tree: cleaned, files: changed, leftOut: [...listed, ...more] };
}

const maxListingBytes = 64 * 1024 * 1024;

/**
 * A few small trees can unfold into more paths than fit into memory, and git's diff gathers them all before it prints: so the
 * paths are listed first, which streams and is cut off.
 */
async function refuseEndless(git: Git, commit: string): Promise<void> {
  await git(['ls-tree', '-r', '--full-tree', '--name-only', commit], { maxBytes: maxListingBytes });
}

async function oddity(git: Git, change: TreeChange): Promise<string | null> {
  if (change.newMode === '000000') return null;
  if (!change.name.isText) return 'the name is not plain UTF-8 text';
  if (change.newMode === gitlinkMode) return 'a repository of its own';
  if (change.newMode !== symlinkMode || change.newObject === change.oldObject) return null;
  const target = await git(['cat-file', 'blob', change.newObject], { maxBytes: 64 * 1024 });
  return leavesRepository(change.name.shown, target) ? 'a symbolic link out of the repository' : null;
}

/** Whether a link at `path` points out of the repository or into git's own folder. */
export function leavesRepository(path: string, target: string): boolean {
  if (target.startsWith('/') || target.includes('\0') || target.includes('\\')) return true;
  const lands = posix.normalize(posix.join(posix.dirname(path), target));
  return lands === '..' || lands.startsWith('../') || /^\.(git|jj)(\/|$)/i.test(lands);
}

async function refuseTooLarge(git: Git, changes: readonly TreeChange[], limits: ImportLimits): Promise<void> {
  const blobs = changes.filter((c) => c.newMode !== '000000' && c.newMode !== gitlinkMode).map((c) => c.newObject);
  if (blobs.length === 0) return;
  const sizes = await git(['cat-file', '--batch-check=%(objecttype) %(objectsize)'], {
    input: `${blobs.join('\n')}\n`,
  });
  let bytes = 0;
  for (const line of sizes.trim().split('\n')) {
    const [type, size] = line.split(' ');
    if (type !== 'blob') throw new FleetError('change_rejected', `The saved tree names an object that is ${line}.`);
    bytes += Number(size);
  }
  if (bytes > limits.treeBytes) {
    throw new FleetError('too_large', `The changed files have ${bytes} bytes; at most ${limits.treeBytes} are taken.`);
  }
}
