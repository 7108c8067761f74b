import { rm } from 'node:fs/promises';
import { FleetError } from '../lib/errors.ts';
import type { Paths } from '../lib/paths.ts';
import type { Store } from '../store/store.ts';

/** Every folder of ours. The user's own repositories and fleet.yaml are not among them. */
export function purgedPaths(paths: Paths): string[] {
  return [...new Set([paths.state, paths.vms, paths.images, paths.cache, paths.runtime])];
}

export function refusePurge(store: Store): void {
  const left = store.vms.list("WHERE phase <> 'gone'");
  if (store.fleet().desire === 'up' || left.length > 0) {
    throw new FleetError(
      'refused',
      `Cannot purge: ${left.length === 0 ? 'the fleet is up' : `${left.length} VMs are there`}.`,
      {
        remedy: 'ralph-fleet down --delete     (then purge again)',
      },
    );
  }
}

/** Goes after the daemon has let go of everything; what cannot be removed is left and named. */
export async function removePaths(folders: readonly string[]): Promise<void> {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
}
