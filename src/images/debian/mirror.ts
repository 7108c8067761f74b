import { readdir, readFile } from 'node:fs/promises';
import { FleetError } from '../../lib/errors.ts';

/** Reads a file of the host, or null when it is not there. Folders are listed by `list`, empty when missing. */
export interface AptFiles {
  read(path: string): Promise<string | null>;
  list(folder: string): Promise<string[]>;
}

export const hostFiles: AptFiles = {
  read: (path) => readFile(path, 'utf8').catch(() => null),
  list: (folder) => readdir(folder).catch(() => []),
};

/**
 * The Debian mirror to build from: the configured one, else the one this machine itself installs from.
 * Throws `usage` when there is neither.
 */
export async function findMirror(configured: string | null, files: AptFiles): Promise<string> {
  if (configured !== null) return checkedMirror(configured);
  for (const uri of await hostUris(files)) {
    const mirror = await resolveUri(uri, files);
    if (mirror !== null) return mirror;
  }
  throw new FleetError('usage', 'No Debian mirror is known: this machine’s own apt sources name none.', {
    remedy:
      'Set `image.debianMirror` in fleet.yaml to the http address of a Debian mirror (the folder that holds `dists`).',
  });
}

/** An http(s) address without anything a sources line could be bent with. */
function checkedMirror(text: string): string {
  if (isPlainHttp(text)) return text.replace(/\/+$/, '');
  throw new FleetError(
    'usage',
    `\`image.debianMirror\` is \`${text.slice(0, 200)}\`, which is no plain http(s) address.`,
    {
      remedy: 'Give it as in `http://mirror.example/debian`.',
    },
  );
}

function isPlainHttp(text: string): boolean {
  return /^https?:\/\/[A-Za-z0-9.:_-]+(\/[A-Za-z0-9._~+%/-]*)?$/.test(text) && text.length <= 500;
}

async function hostUris(files: AptFiles): Promise<string[]> {
  const folder = '/etc/apt/sources.list.d';
  const uris = aptUris((await files.read('/etc/apt/sources.list')) ?? '', 'list');
  for (const name of (await files.list(folder)).toSorted()) {
    const kind = name.endsWith('.sources') ? 'sources' : name.endsWith('.list') ? 'list' : null;
    if (kind !== null) uris.push(...aptUris((await files.read(`${folder}/${name}`)) ?? '', kind));
  }
  return uris;
}

/** Cloud images name their mirrors in a file (`mirror+file:/etc/apt/mirrors/debian.list`): its first line is the first choice. */
async function resolveUri(uri: string, files: AptFiles): Promise<string | null> {
  const listed = /^mirror\+file:(?:\/\/)?(\/[^\s]+)$/.exec(uri)?.[1];
  if (listed === undefined) return debianArchive(uri);
  const lines = ((await files.read(listed)) ?? '').split('\n').map((line) => line.split(/[\s#]/)[0] ?? '');
  return lines.map(debianArchive).find((found) => found !== null) ?? null;
}

/** Only a whole archive of Debian itself will do: not its security part, not another vendor's. */
function debianArchive(uri: string): string | null {
  const bare = uri.replace(/\/+$/, '');
  return isPlainHttp(bare) && bare.endsWith('/debian') ? bare : null;
}

/** URIs of binary packages in apt's two formats: one line each (`list`) or paragraphs (`sources`). Pure. */
export function aptUris(text: string, kind: 'list' | 'sources'): string[] {
  return kind === 'list' ? text.split('\n').flatMap(oneLine) : text.split(/\n[ \t]*\n/).flatMap(paragraph);
}

function oneLine(line: string): string[] {
  const found = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+\S/.exec(line);
  return found?.[1] === undefined ? [] : [found[1]];
}

function paragraph(text: string): string[] {
  const fields = new Map<string, string>();
  let name = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue;
    const field = /^([A-Za-z-]+):(.*)$/.exec(line);
    if (field?.[1] !== undefined) name = field[1].toLowerCase();
    const value = field ? (field[2] ?? '') : /^[ \t]/.test(line) ? line : null;
    if (name !== '' && value !== null) fields.set(name, `${fields.get(name) ?? ''} ${value}`);
  }
  const words = (key: string) => (fields.get(key) ?? '').split(/\s+/).filter((word) => word !== '');
  if (!words('types').includes('deb') || words('enabled')[0] === 'no') return [];
  return words('uris');
}
