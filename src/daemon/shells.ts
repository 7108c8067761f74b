import { findVm } from '../actions/find-vm.ts';
import type { ApiDeps } from '../api/deps.ts';
import { isOpenToPeople, vmName } from '../domain/vm.ts';
import type { Driver } from '../drivers/driver.ts';
import { type Guests, ralphUser } from '../guest/guest.ts';
import { FleetError } from '../lib/errors.ts';
import { addressOf } from '../reconcile/execute/address.ts';
import type { Store } from '../store/store.ts';

/** Shells of people in VMs. */
export function createShells(deps: {
  store: Store;
  driver: () => Driver;
  guests: Guests;
}): Pick<ApiDeps, 'shellVm' | 'shell'> {
  const { store, guests } = deps;
  return {
    shellVm(word) {
      const vm = findVm({ store }, word);
      const name = vmName(vm.id);
      if (!isOpenToPeople(vm)) {
        throw new FleetError(
          'refused',
          `Cannot open a shell in \`${name}\`: it is a ${vm.purpose} VM, which nobody touches.`,
          {
            remedy: 'ralph-fleet vm list     (implementer, reviewer and clone VMs are open)',
          },
        );
      }
      if (vm.phase !== 'ready') {
        throw new FleetError('vm_not_ready', `Cannot open a shell in \`${name}\`: it is \`${vm.phase}\`.`, {
          remedy: 'ralph-fleet vm list',
        });
      }
      return vm.id;
    },
    async shell(id, { argv, screen, asRoot }) {
      const address = addressOf({ driver: deps.driver(), store }, store.vms.mustGet(id));
      return guests.shell(address, { user: asRoot ? 'root' : ralphUser, argv, screen });
    },
  };
}
