import { FleetError } from '../lib/errors.ts';
import type { Git } from './git.ts';

/** A commit as git stores it, with jj's `change-id` header (https://docs.jj-vcs.dev/latest/git-compatibility/). */
export interface CommitObject {
  tree: string;
  parents: string[];
  author: string;
  committer: string;
  changeId: string | null;
  message: string;
}

const changeIdShape = /^[k-z]{32}$/;

export async function readCommit(git: Git, commit: string): Promise<CommitObject> {
  return parseCommit(await git(['cat-file', 'commit', commit]));
}

export function parseCommit(text: string): CommitObject {
  const end = text.indexOf('\n\n');
  const head = end < 0 ? text : text.slice(0, end);
  const found: CommitObject = {
    tree: '',
    parents: [],
    author: '',
    committer: '',
    changeId: null,
    message: end < 0 ? '' : text.slice(end + 2),
  };
  for (const header of head.split('\n')) {
    const [key, value] = splitOnce(header);
    if (key === 'tree') found.tree = value;
    else if (key === 'parent') found.parents.push(value);
    else if (key === 'author') found.author = value;
    else if (key === 'committer') found.committer = value;
    else if (key === 'change-id' && changeIdShape.test(value)) found.changeId = value;
  }
  if (found.tree === '') throw new FleetError('bug', 'A commit without a tree was read.');
  return found;
}

function splitOnce(header: string): [string, string] {
  const at = header.indexOf(' ');
  return at < 0 ? [header, ''] : [header.slice(0, at), header.slice(at + 1)];
}

export async function writeCommit(git: Git, commit: CommitObject): Promise<string> {
  const lines = [
    `tree ${commit.tree}`,
    ...commit.parents.map((parent) => `parent ${parent}`),
    `author ${commit.author}`,
    `committer ${commit.committer}`,
    ...(commit.changeId === null ? [] : [`change-id ${commit.changeId}`]),
  ];
  const input = `${lines.join('\n')}\n\n${tidyMessage(commit.message)}`;
  return (await git(['hash-object', '-t', 'commit', '-w', '--stdin'], { input })).trim();
}

/** Text that git takes: no NUL, one newline at the end, at most 64 KiB. */
export function tidyMessage(message: string): string {
  const text = message.replaceAll('\0', '').replaceAll('\r\n', '\n').trim().slice(0, 65_536);
  return `${text === '' ? '(no title)' : text}\n`;
}

/** `Name <email> seconds +0000`, safe for a commit header. */
export function signature(person: { name: string; email: string }, nowMs: number): string {
  const clean = (text: string) => text.replace(/[<>\u0000-\u001f\u007f]/g, '').trim();
  return `${clean(person.name)} <${clean(person.email)}> ${Math.floor(nowMs / 1000)} +0000`;
}

/** jj prints change ids in hexadecimal with the digits z to k. */
export function toChangeId(hex32: string): string {
  return [...hex32].map((digit) => String.fromCharCode(122 - Number.parseInt(digit, 16))).join('');
}

export const ownIdentity = { name: 'ralph-fleet', email: 'ralph-fleet@localhost' };
