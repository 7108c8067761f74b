import { furtherVms, type Promised } from '../../domain/fit.ts';
import { sayMiB } from '../../domain/host.ts';
import { sayPressure } from '../../domain/pressure.ts';
import { holdsRoom, type Vm, type VmPurpose } from '../../domain/vm.ts';
import { isUsable, type World } from './world.ts';

/**
 * How many VMs may still be asked for. A VM that would not fit waits, and says so. One verifier's room is always kept free, so
 * that a full fleet cannot wait for itself. A row is the reservation: what is asked for counts from then on with all it may ever take.
 * Counts down as a pass hands room out.
 */
export interface Room {
  take(purpose: VmPurpose): boolean;
  /** True when a purpose waits only because VMs that are nobody's yet hold the room, or the host needs what they hold. */
  pressed: boolean;
  /** How many it gave in this pass. */
  given: number;
  /** How many VMs may hold room at once, those there are included. */
  fits: number;
  /** Why no more is given: `waits for room: …` */
  why: string;
}

export function createRoom(world: World): Room {
  const holding = world.vms.filter(keepsRoom);
  let used = holding.length;
  let verifiers = world.vms.filter((vm) => holdsRoom(vm) && vm.purpose === 'verifier' && isUsable(vm)).length;
  const { fits, why } = fitting(world, holding);
  const room: Room = {
    pressed: world.observed.host?.pressure != null,
    given: 0,
    fits,
    why,
    take(purpose) {
      // Where only one fits, VMs take turns: each is given back before the next kind is asked for.
      const kept = purpose === 'verifier' || verifiers > 0 || fits === 1 ? 0 : 1;
      if (used + kept >= fits) {
        if (!isForLater(purpose)) room.pressed = true;
        return false;
      }
      used++;
      room.given++;
      if (purpose === 'verifier') verifiers++;
      return true;
    },
  };
  return room;
}

/** One that is stopped is started again on the way up. */
function keepsRoom(vm: Vm): boolean {
  return holdsRoom(vm) || (vm.phase === 'stopped' && isUsable(vm));
}

function fitting({ observed, config, capacity, vms }: World, holding: readonly Vm[]): { fits: number; why: string } {
  const { host, accel } = observed;
  const say = (fits: number) => `waits for room: ${Math.max(0, fits)} VMs fit on this host`;
  if (host?.pressure) {
    const fits = Math.min(capacity, vms.filter(holdsRoom).length);
    return { fits, why: `waits for room: ${sayPressure(host.pressure)}` };
  }
  const verifiers = "one verifier's room is kept free";
  const byCapacity = { fits: capacity, why: `${say(capacity)}, ${verifiers}` };
  if (host === null) return byCapacity;
  const promised = holding.map((vm): Promised => {
    return { memoryMiB: vm.size.memoryMiB, residentMiB: host.residentMiB.get(vm.id) ?? 0 };
  });
  const further = furtherVms(host, config, promised, accel);
  const fits = holding.length + further.vms;
  if (fits >= capacity) return byCapacity;
  const owed = further.owedMiB > 0 ? `, ${sayMiB(further.owedMiB)} of it promised to VMs` : '';
  const short =
    further.by === 'disk'
      ? `${sayMiB(further.freeMiB)} of disk free`
      : `${sayMiB(further.freeMiB)} of memory free${owed}`;
  return { fits, why: `${say(fits)} now (${short}), ${verifiers}` };
}

/** Taken by what a task needs now. */
export function isForLater(purpose: VmPurpose): boolean {
  return purpose === 'warm' || purpose === 'template';
}
