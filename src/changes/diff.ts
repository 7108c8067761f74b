import { isFleetError } from '../lib/errors.ts';
import type { FileChange } from './changes.ts';
import type { Git } from './git.ts';
import { parsePathName } from './path-name.ts';

const maxDiffBytes = 16 * 1024 * 1024;
const plain = ['--no-ext-diff', '--no-textconv', '--no-color'];

/** The change as a patch for people; of a very large one the overview only. */
export async function readDiff(git: Git, base: string, commit: string): Promise<string> {
  const show = ['-c', 'core.quotePath=false', 'diff', ...plain, '--find-renames'];
  try {
    return await git([...show, base, commit], { maxBytes: maxDiffBytes });
  } catch (error) {
    if (!isFleetError(error, 'too_large')) throw error;
    const overview = await git([...show, '--stat=120', '--stat-count=500', base, commit]);
    return `The change is larger than ${maxDiffBytes / 1024 / 1024} MiB; this is its overview.\n\n${overview}`;
  }
}

const statusOf: Record<string, FileChange['status']> = {
  A: 'added',
  M: 'modified',
  D: 'deleted',
  R: 'renamed',
  T: 'type-changed',
};

/** One entry a path, renames as the new path; line counts are null for binary files. */
export async function listFiles(
  git: Git,
  base: string,
  commit: string,
  isProtected: (path: string) => boolean,
): Promise<FileChange[]> {
  const ask = ['-c', 'core.quotePath=true', 'diff', ...plain, '--find-renames'];
  const statuses = await git([...ask, '--name-status', base, commit]);
  const counts = lines(await git([...ask, '--numstat', base, commit]));
  return lines(statuses).map((line, at) => {
    const [letter = '', ...names] = line.split('\t');
    const [added, deleted] = (counts[at] ?? '').split('\t');
    const path = parsePathName(names.at(-1) ?? '').shown;
    return {
      path,
      status: statusOf[letter.charAt(0)] ?? 'modified',
      added: count(added),
      deleted: count(deleted),
      isProtected: isProtected(path),
    };
  });
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

function count(text: string | undefined): number | null {
  return text === undefined || !/^\d+$/.test(text) ? null : Number(text);
}
