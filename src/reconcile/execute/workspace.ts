import { ralphUser, workspaceFolder } from '../../guest/guest.ts';
import { readyVm } from './address.ts';
import type { Executor } from './deps.ts';
import { startServices } from './services.ts';

/** Brings the commit into the guest, checks it out, and starts services on it. Whole or not at all: the row says so only afterwards. */
export const seedWorkspace: Executor<'seed_workspace'> = async (
  deps,
  { vm: id, project, commit, folder, services },
) => {
  const { store } = deps;
  const at = readyVm(deps, id);
  if (at === null || at.vm.seeded[folder] === commit) return;
  // Its disk came with it, and with what stands beside the commit.
  const isThere = at.vm.origin?.commit === commit && folder === workspaceFolder;
  if (!isThere) {
    const bundleFile = await deps.changes.bundle(project, commit);
    await deps.guests.seedWorkspace(at.address, { bundleFile, commit, folder, user: ralphUser });
  }
  const problems = services.length === 0 ? [] : await startServices(deps, at.address, services);
  store.tx(() => {
    const vm = store.vms.get(id);
    if (vm === null) return;
    store.vms.update(id, { seeded: { ...vm.seeded, [folder]: commit } });
    for (const problem of problems) store.events.add('service.failed', vm.task ?? `rf-${id}`, problem);
  });
};
