import { holdsRoom, type VmPurpose } from '../../domain/vm.ts';
import { isUsable, type World } from './world.ts';

/**
 * How many VMs may still be asked for. A VM that would not fit waits, and says so. One verifier's room is always kept free, so
 * that a full fleet cannot wait for itself. Counts down as a pass hands room out.
 */
export interface Room {
  take(purpose: VmPurpose): boolean;
  /** True when a purpose waits only because VMs that are nobody's yet hold the room. */
  pressed: boolean;
  /** How many it gave in this pass. */
  given: number;
}

export function createRoom(world: World): Room {
  let used = world.vms.filter((vm) => holdsRoom(vm) || (vm.phase === 'stopped' && isUsable(vm))).length;
  let verifiers = world.vms.filter((vm) => holdsRoom(vm) && vm.purpose === 'verifier' && isUsable(vm)).length;
  const room: Room = {
    pressed: false,
    given: 0,
    take(purpose) {
      // Where only one fits, VMs take turns: each is given back before the next kind is asked for.
      const kept = purpose === 'verifier' || verifiers > 0 || world.capacity === 1 ? 0 : 1;
      if (used + kept >= world.capacity) {
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

/** Taken by what a task needs now. */
export function isForLater(purpose: VmPurpose): boolean {
  return purpose === 'warm' || purpose === 'template';
}
