import { FleetError } from '../lib/errors.ts';

/** The head of a git bundle (gitformat-bundle, version 2, or 3 with sha1): prerequisites, refs, where the pack begins. */
export interface BundleHeader {
  prerequisites: string[];
  commit: string;
  packOffset: number;
}

/** The one ref a guest's bundle may hold. */
export const savedRef = 'refs/ralph/saved';
export const maxHeaderBytes = 64 * 1024;
const maxPrerequisites = 200;

/** Reads the head strictly; `start` is the beginning of the file, at most `maxHeaderBytes`. */
export function parseBundleHeader(start: Uint8Array): BundleHeader {
  const text = Buffer.from(start).toString('latin1');
  const end = text.indexOf('\n\n');
  const [first, ...lines] = text.slice(0, Math.max(end, 0)).split('\n');
  if (end < 0 || (first !== '# v2 git bundle' && first !== '# v3 git bundle')) refuse('it is no git bundle');
  const prerequisites: string[] = [];
  const refs: [commit: string, name: string][] = [];
  for (const line of lines) {
    if (line.startsWith('@')) {
      if (first !== '# v3 git bundle' || line !== '@object-format=sha1')
        refuse(`capability ${quote(line)} is not known`);
      continue;
    }
    const [, minus, commit, rest] = /^(-?)([0-9a-f]{40})(?: (.*))?$/.exec(line) ?? [];
    if (commit === undefined) refuse(`line ${quote(line)} is not understood`);
    else if (minus === '-') prerequisites.push(commit);
    else refs.push([commit, rest ?? '']);
  }
  if (prerequisites.length > maxPrerequisites) refuse(`it needs ${prerequisites.length} commits`);
  const [ref, ...others] = refs;
  if (ref === undefined || others.length > 0) refuse(`it holds ${refs.length} refs instead of one`);
  else if (ref[1] !== savedRef) refuse(`it holds ${quote(ref[1])} instead of \`${savedRef}\``);
  return { prerequisites, commit: ref?.[0] ?? '', packOffset: end + 2 };
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}

function refuse(why: string): never {
  throw new FleetError('change_rejected', `The bundle that the guest sent was refused: ${why}.`);
}
