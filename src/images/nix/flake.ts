import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hashFolders, hashOf } from '../cache.ts';

/**
 * The flake that the image is built from is a copy of these files, in a folder of its own: Nix copies a flake's whole folder, and
 * neither node_modules nor a change elsewhere is the image's business. Place in the flake -> place below the folder it is
 * taken from; the built package keeps under `dist` what a checkout has under `src`.
 */
export interface FlakeSource {
  /** Root of the checkout or package: `flake.nix`, `modules`, perhaps `flake.lock`. */
  root: string;
  /** `src` or `dist`: `guest` and `images/contents.json`. */
  sources: string;
}

export interface Stamp {
  image: string;
  agents: readonly string[];
  /** Where Nix gets the pinned npm packages from; their hashes are in the flake, so it is no part of the key. */
  npmRegistry: string;
}

/** Hash of all that goes into the image but the stamp. */
export async function hashFlake({ root, sources }: FlakeSource): Promise<string> {
  const folders = [join(root, 'modules'), join(sources, 'guest/rootfs'), join(sources, 'guest/scripts')];
  const files = [join(root, 'flake.nix'), join(sources, 'images/contents.json')];
  const lock = await readFile(join(root, 'flake.lock')).catch(() => 'no lock');
  return hashOf([await hashFolders(folders), ...(await Promise.all(files.map((file) => readFile(file)))), lock]);
}

/** Copies the flake to `target`, stamped with the image's key. */
export async function stageFlake({ root, sources }: FlakeSource, target: string, stamp: Stamp): Promise<void> {
  const from: readonly (readonly [string, string])[] = [
    ['flake.nix', join(root, 'flake.nix')],
    ['modules', join(root, 'modules')],
    ['src/guest/rootfs', join(sources, 'guest/rootfs')],
    ['src/guest/scripts', join(sources, 'guest/scripts')],
    ['src/images/contents.json', join(sources, 'images/contents.json')],
  ];
  for (const [place, source] of from) await copyContent(source, join(target, place));
  await copyContent(join(root, 'flake.lock'), join(target, 'flake.lock')).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await writeFile(join(target, 'modules/image/stamp.json'), `${JSON.stringify(stamp)}\n`);
}

/** Folders and files without their modes: in a package that Nix installed everything is read-only. */
async function copyContent(source: string, target: string): Promise<void> {
  if (!(await stat(source)).isDirectory()) {
    await mkdir(dirname(target), { recursive: true });
    return await writeFile(target, await readFile(source));
  }
  for (const name of await readdir(source)) await copyContent(join(source, name), join(target, name));
}
