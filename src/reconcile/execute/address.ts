import type { Vm } from '../../domain/vm.ts';
import type { GuestAddress } from '../../guest/guest.ts';
import { FleetError } from '../../lib/errors.ts';
import type { ExecuteDeps } from './deps.ts';

/** How the guest of a VM is reached; refuses one whose host key is not pinned yet. */
export function addressOf(deps: Pick<ExecuteDeps, 'driver' | 'store'>, vm: Vm): GuestAddress {
  const hostKey = deps.store.vms.mustGet(vm.id).hostKey;
  if (hostKey === null) throw new FleetError('vm_not_ready', `VM \`rf-${vm.id}\` has no pinned host key yet.`);
  return {
    id: vm.id,
    control: deps.driver.endpoint(vm.id, 'control'),
    people: deps.driver.endpoint(vm.id, 'people'),
    hostKey,
  };
}

/** The VM's row and address, or null when it is not ready any more. */
export function readyVm(
  deps: Pick<ExecuteDeps, 'driver' | 'store'>,
  id: string,
): { vm: Vm; address: GuestAddress } | null {
  const vm = deps.store.vms.get(id);
  if (vm === null || vm.phase !== 'ready') return null;
  return { vm, address: addressOf(deps, vm) };
}
