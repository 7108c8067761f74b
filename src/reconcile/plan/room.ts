import { holdsRoom, type VmPurpose } from '../../domain/vm.ts';
import { isUsable, type World } from './world.ts';

/**
 * How many VMs may still be asked for. A VM that would not fit waits, and says so. One verifier's room is always kept free, so
 * that a full fleet cannot wait for itself. Counts down as a pass hands room out.
 */
export interface Room {
  take(purpose: VmPurpose): boolean;
  /** True when a purpose waits only because warm VMs hold the room. */
  pressed: boolean;
}

export function createRoom(world: World): Room {
  let used = world.vms.filter((vm) => holdsRoom(vm) || (vm.phase === 'stopped' && isUsable(vm))).length;
  let verifiers = world.vms.filter((vm) => holdsRoom(vm) && vm.purpose === 'verifier' && isUsable(vm)).length;
  const room: Room = {
    pressed: false,
    take(purpose) {
      // Where only one fits, VMs take turns: each is given back before the next kind is asked for.
      const kept = purpose === 'verifier' || verifiers > 0 || world.capacity === 1 ? 0 : 1;
      if (used + kept >= world.capacity) {
        if (purpose !== 'warm') room.pressed = true;
        return false;
      }
      used++;
      if (purpose === 'verifier') verifiers++;
      return true;
    },
  };
  return room;
}
