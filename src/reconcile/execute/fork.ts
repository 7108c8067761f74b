import type { Vm } from '../../domain/vm.ts';
import { findTwin, isUnused, vmName } from '../../domain/vm.ts';
import type { VmBase } from '../../drivers/driver.ts';
import { FleetError, formatError, isAbort, isFleetError } from '../../lib/errors.ts';
import { addressOf } from './address.ts';
import { current } from './current.ts';
import type { ExecuteDeps, Executor } from './deps.ts';
import { countForkFailure, failVm } from './vm.ts';

/** A template that failed this often in a row is not used again. */
const dropAfter = 2;

/** One step from nothing to a guest that runs. It may be made again from the start as long as nobody has used the VM. */
export const forkVm: Executor<'fork_vm'> = async (deps, { vm: id }) => {
  const { store, driver, authorizedKey } = deps;
  const vm = current(deps, id, ['wanted', 'preparing']);
  if (vm?.way !== 'fork' || !isUnused(vm)) return;
  if (vm.phase === 'wanted') store.moveVm(id, 'preparing');
  try {
    await driver.fork({ id, authorizedKey, ...baseOf(deps, vm) });
  } catch (error) {
    if (!isFleetError(error) || isFleetError(error, 'driver_unavailable')) throw error;
    noteFailure(deps, id, error);
    return;
  }
  store.tx(() => {
    if (current(deps, id, ['preparing']) === null) return;
    store.moveVm(id, 'starting');
    store.moveVm(id, 'identifying', { stage: 'process', stageSince: deps.clock.now() });
  });
};

/** The next plan sees it. */
function noteFailure({ store, log }: ExecuteDeps, id: string, error: FleetError): void {
  log.warn({ vm: id, err: error }, 'a fork came to nothing');
  if (store.vms.get(id)?.way === 'fork') store.vms.update(id, { failure: formatError(error) });
}

export const unforkVm: Executor<'unfork_vm'> = async (deps, { vm: id, reason }) => {
  const { store, driver, clock } = deps;
  const vm = current(deps, id, ['preparing', 'starting', 'identifying']);
  if (vm?.way !== 'fork' || !isUnused(vm)) return;
  deps.guests.forget(id);
  await driver.stop(id, 0);
  await driver.remove(id);
  const disk = store.disks.get(vm.disk);
  if (disk !== null && disk.forkFailures + 1 >= dropAfter) await driver.dropTemplate(baseOf(deps, vm));
  store.tx(() => {
    const now = current(deps, id, ['preparing', 'starting', 'identifying']);
    if (now?.way !== 'fork') return;
    const anew = { way: 'boot', failure: null, identity: null, hostKey: null, stage: null } as const;
    if (now.phase === 'preparing') store.vms.update(id, { ...anew, since: clock.now() });
    else store.moveVm(id, 'preparing', anew);
    countForkFailure(deps, vm.disk);
    store.events.add('vm.unforked', vmName(id), `${vmName(id)} could not be forked and boots instead: ${reason}`);
  });
};

/** Its guest is settled first: what is saved has no identity, and nobody is logged in. One that does not come to that has failed. */
export const saveTemplate: Executor<'save_template'> = async (deps, { vm: id }) => {
  const { store, driver, guests } = deps;
  const vm = current(deps, id, ['ready']);
  if (vm?.purpose !== 'template' || !isUnused(vm)) return;
  try {
    await guests.settle(addressOf(deps, vm), driver.endpoint(id, 'spare'));
    guests.forget(id);
    await driver.saveTemplate(id, baseOf(deps, vm));
  } catch (error) {
    if (isAbort(error)) throw error;
    await failVm(deps, { vm: id, reason: `it could not be saved as a template: ${formatError(error)}` });
    return;
  }
  store.tx(() => {
    if (current(deps, id, ['ready']) === null) return;
    store.moveVm(id, 'stopping', { desired: 'gone' });
    store.events.add('template.ready', vm.disk, `VMs on the disk ${vm.disk} are forked from now on.`);
  });
};

/** The stage `identity` of a fork: made in the guest, compared with every other VM's. Throws `guest_untrusted` on a twin. */
export async function identifyFork(deps: ExecuteDeps, vm: Vm): Promise<boolean> {
  const { store, random, clock, driver, authorizedKey } = deps;
  const identity = { hostname: vmName(vm.id), now: clock.now(), machineId: random.hex(16), entropy: random.hex(64) };
  const spare = driver.endpoint(vm.id, 'spare');
  const {
    machineId,
    random: drawn,
    hostKey,
    hostname,
  } = await deps.guests.identifyFork(vm.id, spare, {
    ...identity,
    authorizedKey,
  });
  const twin = findTwin(vm.id, { hostKey, machineId, random: drawn }, store.alive.vms.rows());
  if (twin !== null) throw new FleetError('guest_untrusted', `VM \`${vmName(vm.id)}\` was forked with ${twin}.`);
  if (hostname !== identity.hostname || machineId !== identity.machineId) {
    throw new FleetError('guest_untrusted', `VM \`${vmName(vm.id)}\` did not take the name and id it was given.`);
  }
  store.vms.update(vm.id, { hostKey, identity: { machineId, random: drawn } });
  return true;
}

export function forkFailed(deps: ExecuteDeps, vm: Vm, error: unknown): boolean {
  if (vm.way !== 'fork' || !isFleetError(error, 'guest_untrusted')) return false;
  noteFailure(deps, vm.id, error);
  return true;
}

/** One that is ready clears what was held against the template it came from. */
export function forkSucceeded({ store }: Pick<ExecuteDeps, 'store'>, vm: Vm): void {
  const disk = vm.way === 'fork' ? store.disks.get(vm.disk) : null;
  if (disk !== null && disk.forkFailedAt !== null) {
    store.disks.update(disk.key, { forkFailures: 0, forkFailedAt: null });
  }
}

function baseOf({ store }: Pick<ExecuteDeps, 'store'>, vm: Vm): VmBase {
  const disk = store.disks.get(vm.disk);
  if (disk?.path) return { disk: disk.key, base: disk.path, boot: disk.boot, size: vm.size };
  throw new FleetError('not_found', `The disk \`${vm.disk}\` of VM \`${vmName(vm.id)}\` is not there.`);
}
