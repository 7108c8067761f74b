import type { Vm } from '../../domain/vm.ts';
import type { VmSeen, World } from './world.ts';

/** What no step of ours does to a VM is believed once it was seen for this long; a look may fall into the middle of something. */
const patienceMs = 10_000;
const byHand: readonly (VmSeen | null)[] = ['partial', 'diskless', 'paused'];

/**
 * What the driver says of a VM: null when it lists none. `unknown` while that says nothing: it cannot be asked, the look began
 * before the VM came to its phase, or what only a person does was not seen for long enough.
 */
export function seenOf(world: World, vm: Vm): VmSeen | null {
  const { driver, askedAt } = world.observed;
  if (!driver.ok || vm.since >= askedAt) return 'unknown';
  const look = driver.vms.get(vm.id);
  if (look === undefined) return null;
  return byHand.includes(look.state) && seenForMs(world, vm) < patienceMs ? 'unknown' : look.state;
}

/** How long the driver has been saying the same of it. */
export function seenForMs(world: World, vm: Vm): number {
  const { driver } = world.observed;
  const look = driver.ok ? driver.vms.get(vm.id) : undefined;
  return look === undefined ? 0 : world.now - look.since;
}

/** Off without a word of ours; `unknown` is never dead. */
export function isDead(seen: VmSeen | null): boolean {
  return seen === null || seen === 'off' || seen === 'crashed';
}

/** Parts of it are gone, or all: it cannot be started as it is. */
export function isIncomplete(seen: VmSeen | null): boolean {
  return seen === null || seen === 'partial' || seen === 'diskless';
}

/** `the VM was found …` */
export function foundAs(seen: VmSeen | null): string {
  if (seen === null) return 'gone';
  if (seen === 'partial') return 'undefined, only its disk is left';
  return seen === 'diskless' ? 'without its disk' : seen;
}
