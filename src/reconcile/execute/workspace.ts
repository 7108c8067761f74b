import { ralphUser } from '../../guest/guest.ts';
import { readyVm } from './address.ts';
import type { Executor } from './deps.ts';

/** Brings the commit into the guest and checks it out. Whole or not at all: the row says so only afterwards. */
export const seedWorkspace: Executor<'seed_workspace'> = async (deps, { vm: id, project, commit, folder }) => {
  const at = readyVm(deps, id);
  if (at === null || at.vm.seeded[folder] === commit) return;
  const bundleFile = await deps.changes.bundle(project, commit);
  await deps.guests.seedWorkspace(at.address, { bundleFile, commit, folder, user: ralphUser });
  const vm = deps.store.vms.get(id);
  if (vm !== null) deps.store.vms.update(id, { seeded: { ...vm.seeded, [folder]: commit } });
};
