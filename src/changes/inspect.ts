import { stat } from 'node:fs/promises';
import { isFleetError } from '../lib/errors.ts';
import type { CheckoutFacts } from './changes.ts';
import type { Git } from './git.ts';
import { parsePathName } from './path-name.ts';

const maxBadNames = 10;
const listBytes = 256 * 1024 * 1024;

const nothing: CheckoutFacts = {
  isFolder: false,
  isRepository: false,
  isBare: false,
  isShallow: false,
  branch: null,
  tip: null,
  dirty: false,
  hasSubmodules: false,
  usesLfs: false,
  badNames: [],
  userName: null,
  userEmail: null,
};

/** See `Changes.inspect`; `git` runs in the checkout as the user. Writes nothing, not even the index. */
export async function inspect(git: Git, path: string): Promise<CheckoutFacts> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) return nothing;
  const answer = await ask(git, ['rev-parse', '--is-bare-repository', '--is-shallow-repository']);
  if (answer === null) return { ...nothing, isFolder: true };
  const [isBare, isShallow] = answer.split('\n').map((word) => word === 'true');
  const tip = await ask(git, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}']);
  const facts = {
    ...nothing,
    isFolder: true,
    isRepository: true,
    isBare: isBare ?? false,
    isShallow: isShallow ?? false,
    branch: await ask(git, ['symbolic-ref', '--quiet', '--short', 'HEAD']),
    tip,
    dirty:
      !isBare && (await git(['status', '--porcelain', '--ignore-submodules=none'], { maxBytes: listBytes })) !== '',
    ...(await identityOf(git)),
  };
  return tip === null ? facts : { ...facts, ...(await inspectTree(git, tip)) };
}

export async function identityOf(git: Git): Promise<{ userName: string | null; userEmail: string | null }> {
  const userName = await ask(git, ['config', '--get', 'user.name']);
  const userEmail = await ask(git, ['config', '--get', 'user.email']);
  return { userName: userName || null, userEmail: userEmail || null };
}

async function inspectTree(git: Git, tip: string) {
  const listing = await git(['ls-tree', '-r', '--full-tree', tip], { maxBytes: listBytes });
  const badNames: string[] = [];
  const attributes: string[] = [];
  let hasSubmodules = false;
  for (const line of listing.split('\n')) {
    const [head = '', quoted] = line.split('\t');
    if (quoted === undefined) continue;
    if (head.startsWith('160000 ')) hasSubmodules = true;
    const name = parsePathName(quoted);
    if (!name.isText && badNames.length < maxBadNames) badNames.push(name.shown);
    const object = head.split(' ')[2];
    if (object && /(^|\/)\.gitattributes$/.test(name.shown)) attributes.push(object);
  }
  let usesLfs = false;
  for (const object of attributes.slice(0, 100)) {
    if (!usesLfs) usesLfs = /\bfilter=lfs\b/.test(await git(['cat-file', 'blob', object]));
  }
  return { hasSubmodules, usesLfs, badNames };
}

/** The trimmed answer, or null where git says no. */
async function ask(git: Git, args: readonly string[]): Promise<string | null> {
  try {
    const { exitCode, stdout } = await git.run(args, { okExitCodes: [0, 1, 128] });
    return exitCode === 0 ? stdout.trim() : null;
  } catch (error) {
    if (isFleetError(error, 'command_failed')) return null;
    throw error;
  }
}
