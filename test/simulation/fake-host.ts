import type { HostLook } from '../../src/domain/host.ts';
import type { Ballast } from '../../src/host/ballast.ts';
import type { Dice } from './random.ts';

/** Memory and disk of a host on which other programs come and go. */
export interface FakeHost {
  look(): HostLook;
  ballast: Ballast;
  /** Another program takes most of the disk, or of the memory. */
  fill(): void;
  fillDisk(): void;
  makeRoom(): void;
}

const roomyMiB = 50_000;

export function createFakeHost(dice: Dice): FakeHost {
  let diskMiB = roomyMiB;
  let memoryMiB = roomyMiB;
  let ballastMiB = 0;
  const host: FakeHost = {
    look: () => ({
      cores: 2,
      memory: { totalMiB: roomyMiB, availableMiB: memoryMiB, stalledPercent: null },
      disks: [{ path: '/state', uses: ['state', 'vms', 'images'], freeMiB: Math.max(0, diskMiB - ballastMiB) }],
      hasBallast: ballastMiB > 0,
    }),
    ballast: {
      make: async (mib) => {
        ballastMiB = mib;
      },
      free: async () => {
        ballastMiB = 0;
      },
    },
    fill() {
      if (dice.chance(0.3)) memoryMiB = dice.pick([100, 700, 3000]);
      else host.fillDisk();
    },
    fillDisk() {
      diskMiB = dice.pick([100, 1500, 2000]);
    },
    makeRoom() {
      diskMiB = roomyMiB;
      memoryMiB = roomyMiB;
    },
  };
  return host;
}
