import { FleetError } from '../lib/errors.ts';
import type { Git } from './git.ts';
import { type PathName, parsePathName } from './path-name.ts';

/** One path that differs between two trees; mode `000000` = not there. */
export interface TreeChange {
  oldMode: string;
  newMode: string;
  oldObject: string;
  newObject: string;
  name: PathName;
}

export const absentMode = '000000';
export const gitlinkMode = '160000';
export const symlinkMode = '120000';
const maxListBytes = 48 * 1024 * 1024;
const line = /^:(\d{6}) (\d{6}) ([0-9a-f]{40}) ([0-9a-f]{40}) ([A-Z])\d*\t(.+)$/s;

/** The paths that differ, without rename detection. Fails with `too_large` where a tree unfolds without end. */
export async function diffTrees(git: Git, from: string, to: string): Promise<TreeChange[]> {
  const args = ['-c', 'core.quotePath=true', 'diff-tree', '-r', '--raw', '--no-renames', '--no-abbrev', from, to];
  return parseRawDiff(await git(args, { maxBytes: maxListBytes }));
}

export function parseRawDiff(text: string): TreeChange[] {
  const changes: TreeChange[] = [];
  for (const raw of text.split('\n')) {
    if (raw === '') continue;
    const [, oldMode, newMode, oldObject, newObject, , name] = line.exec(raw) ?? [];
    if (!oldMode || !newMode || !oldObject || !newObject || !name) {
      throw new FleetError('bug', `\`git diff-tree\` printed a line that is not understood: \`${raw.slice(0, 200)}\`.`);
    }
    changes.push({ oldMode, newMode, oldObject, newObject, name: parsePathName(name) });
  }
  return changes;
}

/** The tree `tree` with the given paths put back to their old side, made in an index of its own. */
export async function putBack(
  git: Git,
  tree: string,
  changes: readonly TreeChange[],
  indexFile: string,
): Promise<string> {
  const env = { GIT_INDEX_FILE: indexFile };
  await git(['read-tree', tree], { env });
  // Removals first, so that a file may take the place of a folder and the other way round.
  const removals = changes.map((c) => `0 ${'0'.repeat(40)}\t${c.name.quoted}\n`);
  const restored = changes
    .filter((c) => c.oldMode !== absentMode)
    .map((c) => `${c.oldMode} ${c.oldObject}\t${c.name.quoted}\n`);
  if (changes.length > 0)
    await git(['update-index', '--replace', '--index-info'], { env, input: [...removals, ...restored].join('') });
  return (await git(['write-tree'], { env })).trim();
}
