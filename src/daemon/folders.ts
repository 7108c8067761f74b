import { chmod, lstat, mkdir } from 'node:fs/promises';
import { FleetError } from '../lib/errors.ts';
import type { Paths } from '../lib/paths.ts';

/** Makes every folder of ours, for the user alone where it holds something of the user. Says which one cannot be made. */
export async function makeFolders(paths: Paths): Promise<void> {
  // Under root QEMU runs as a user of its own, who must pass through to the VMs' files, and may see nothing on the way.
  const outer = process.getuid?.() === 0 ? 0o711 : 0o700;
  for (const folder of [paths.state, paths.cache]) await make(folder, outer);
  for (const folder of [paths.runs, paths.evidence, paths.repos, paths.keys, paths.logs]) await make(folder, 0o700);
  for (const folder of [paths.runtime, paths.vms, paths.images]) await make(folder, null);
  await refuseForeign(paths.runtime);
}

async function make(folder: string, mode: number | null): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: mode ?? 0o755 });
    if (mode !== null) await chmod(folder, mode);
  } catch (cause) {
    throw new FleetError('storage', `Cannot make the folder \`${folder}\`.`, {
      remedy: 'Make its parent writable, or set XDG_STATE_HOME, XDG_CACHE_HOME or XDG_RUNTIME_DIR to another folder.',
      cause,
    });
  }
}

/** The runtime folder may stand in a place others can write to: one that is not ours is refused. */
async function refuseForeign(folder: string): Promise<void> {
  const found = await lstat(folder);
  if (found.isDirectory() && (process.getuid === undefined || found.uid === process.getuid())) return;
  throw new FleetError('refused', `\`${folder}\` belongs to somebody else.`, {
    remedy: 'Set XDG_RUNTIME_DIR to a folder of yours.',
  });
}
