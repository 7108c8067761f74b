import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Disk } from '../domain/disk.ts';
import type { FleetConfig } from '../domain/fleet.ts';
import { createDriver } from '../drivers/registry.ts';
import type { Guests } from '../guest/guest.ts';
import { type ImageReport, removeLooks, verifyImage } from '../images/verify.ts';
import type { Clock } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import type { Exec } from '../lib/exec.ts';
import type { Log } from '../lib/log.ts';
import type { Paths } from '../lib/paths.ts';
import type { Random } from '../lib/random.ts';
import { createTurns } from '../lib/turns.ts';
import type { Store } from '../store/store.ts';

export interface ImageCheckDeps {
  exec: Exec;
  paths: Paths;
  clock: Clock;
  random: Random;
  log: Log;
  store: Store;
  guests: Guests;
  authorizedKey: string;
  config: () => FleetConfig;
  /** Key of the image that fleet.yaml asks for. */
  imageKey: () => Promise<string>;
}

/** Enough for any image; what a Ralph's VM gets is another matter. */
const size = { cpus: 2, memoryMiB: 1024, diskGiB: 12 };

export interface ImageCheck {
  /** Boots the image (null: the one fleet.yaml asks for) and says what its guest finds. */
  verify(key: string | null): Promise<ImageReport>;
  /** Takes away the VM of a look that a dead daemon has left; asks the driver only where there is one. */
  clear(): Promise<void>;
}

/** `image verify`: beside the fleet, whose passes know nothing of it; one at a time. */
export function createImageCheck(deps: ImageCheckDeps): ImageCheck {
  const { exec, clock, log } = deps;
  const paths = { ...deps.paths, vms: join(deps.paths.vms, 'image-check') };
  const inTurn = createTurns();
  const makeDriver = () => {
    const { driver, wall, name } = deps.config();
    return createDriver({ driver, wall, name: `${name}/image-check` }, { exec, paths, log, clock });
  };
  return {
    verify: (key) =>
      inTurn(async () => {
        const disk = await findImage(deps, key);
        const driver = makeDriver();
        const { accel } = await driver.probe();
        const slowness = () => (accel === 'tcg' ? 10 : 1);
        return await verifyImage(
          { ...deps, driver, slowness },
          { disk: disk.key, base: disk.path, boot: disk.boot, size },
        );
      }),
    clear: () =>
      inTurn(async () => {
        const left = await readdir(paths.vms).catch(() => []);
        if (left.length > 0) await removeLooks({ driver: makeDriver(), log });
      }),
  };
}

async function findImage({ store, imageKey }: ImageCheckDeps, key: string | null): Promise<Disk & { path: string }> {
  const wanted = key ?? (await imageKey());
  const found = store.disks.list('').filter((disk) => disk.kind === 'image' && disk.key.startsWith(wanted));
  const [disk] = found;
  if (disk === undefined || found.length > 1) {
    const what = disk === undefined ? 'There is no image' : 'There is more than one image';
    throw new FleetError(disk === undefined ? 'not_found' : 'usage', `${what} \`${wanted}\`.`, {
      remedy: key === null ? 'ralph-fleet image build' : 'ralph-fleet image list',
    });
  }
  if (disk.path === null) {
    throw new FleetError('refused', `The image \`${disk.key}\` cannot be booted: it is \`${disk.phase}\`.`, {
      remedy: 'ralph-fleet image build     (then see how far it is: ralph-fleet image list)',
    });
  }
  return { ...disk, path: disk.path };
}
