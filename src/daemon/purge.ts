import { rm } from 'node:fs/promises';
import { type Vm, vmName } from '../domain/vm.ts';
import { FleetError } from '../lib/errors.ts';
import type { Paths } from '../lib/paths.ts';
import type { Store } from '../store/store.ts';

/** Every folder of ours. The user's own repositories and fleet.yaml are not among them. */
export function purgedPaths(paths: Paths): string[] {
  return [...new Set([paths.state, paths.vms, paths.images, paths.cache, paths.runtime])];
}

export interface PurgeDeps {
  store: Store;
  /** What the driver lists: a VM may be there that no row knows. */
  listed: () => Promise<{ id: string }[]>;
  /** What a VM waits for, for the message. */
  waitOf: (vm: Vm) => string | null;
}

/** Once its rows are gone nothing would ever remove a VM again. */
export async function refusePurge({ store, listed, waitOf }: PurgeDeps): Promise<void> {
  const rows = store.vms.list("WHERE phase <> 'gone'");
  if (store.fleet().desire === 'up') throw refused('the fleet is up');
  if (rows.length > 0) {
    throw refused(`VMs are there: ${rows.map((vm) => `\`${vmName(vm.id)}\` (${waitOf(vm) ?? vm.phase})`).join(', ')}`);
  }
  // A hypervisor that is not there any more must not keep the rest on the disk for ever.
  const unknown = await listed().catch(() => []);
  if (unknown.length > 0) {
    const names = unknown.map((vm) => `\`${vmName(vm.id)}\``).join(', ');
    throw refused(`VMs that nothing asked for are there: ${names}. The daemon removes them within a minute or two`);
  }
}

function refused(why: string): FleetError {
  return new FleetError('refused', `Cannot purge: ${why}.`, {
    remedy: 'ralph-fleet down --delete     (then purge again)',
  });
}

/** Goes after the daemon has let go of everything; what cannot be removed is left and named. */
export async function removePaths(folders: readonly string[]): Promise<void> {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
}
