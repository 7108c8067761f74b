import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import picomatch from 'picomatch';
import { readCommit, writeCommit } from './commit-object.ts';
import type { Git } from './git.ts';
import { diffTrees, putBack } from './tree-diff.ts';

/** The fleet's own settings judge a change too, whatever the project says. */
const always = ['.ralph/**'];

/** Whether a path is one of those that judge a change. */
export function createProtection(patterns: readonly string[]): (path: string) => boolean {
  return picomatch([...always, ...patterns], { dot: true });
}

/** See `Changes.restoreProtected`. The same arguments give the same commit. */
export async function restoreProtected(
  git: Git,
  scratch: string,
  change: { base: string; commit: string; patterns: readonly string[] },
): Promise<string> {
  const isProtected = createProtection(change.patterns);
  const touched = (await diffTrees(git, change.base, change.commit)).filter((c) => isProtected(c.name.shown));
  if (touched.length === 0) return change.commit;
  const from = await readCommit(git, change.commit);
  const indexFile = join(scratch, `restore-${process.pid}-${change.commit}.index`);
  try {
    const tree = await putBack(git, from.tree, touched, indexFile);
    const message = `${from.message.split('\n')[0] ?? ''}\n\nWith the protected files of ${change.base}.`;
    return await writeCommit(git, { ...from, tree, parents: [change.base], changeId: null, message });
  } finally {
    await rm(indexFile, { force: true });
    await rm(`${indexFile}.lock`, { force: true });
  }
}
