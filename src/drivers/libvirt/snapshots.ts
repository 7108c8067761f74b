import { mkdir, readdir, rm, stat, statfs } from 'node:fs/promises';
import { FleetError } from '../../lib/errors.ts';
import type { Paths } from '../../lib/paths.ts';
import type { DiskSpace } from '../driver.ts';
import { isVmId } from '../vm-id.ts';
import type { Domain } from './domains.ts';
import type { Overlays } from './overlay.ts';
import { snapshotPlaces, snapshotsFolder, vmPlaces } from './places.ts';
import type { QemuUser } from './qemu-user.ts';
import type { TemplateStore } from './templates.ts';

export interface SnapshotParts {
  paths: Paths;
  overlays: Overlays;
  templates: Pick<TemplateStore, 'leaseLike' | 'release'>;
}

/**
 * Snapshots are copies of VMs' overlays, each in a folder of its own beside the VMs: they share no chain with the VM, which may be
 * removed, and with them what they stand on is leased as for a VM.
 */
export interface Snapshots {
  /** `still`: lets the VM stand still while it does its work. */
  take(vm: Pick<Domain, 'id'>, snapshot: string, still: (work: () => Promise<void>) => Promise<void>): Promise<void>;
  drop(snapshot: string): Promise<void>;
  /** Makes the disk of a VM, which has none yet, of it. */
  startFrom(snapshot: string, vm: string, owner: QemuUser | null): Promise<void>;
  space(): Promise<DiskSpace>;
}

/** What a copy leaves free of the disk: for the work of those who run. */
const spareBytes = 2 * 1024 ** 3;
const blockBytes = 512;

export function createSnapshots({ paths, overlays, templates }: SnapshotParts): Snapshots {
  /** Cut off anywhere, the folder shows it, and the next try goes on; one that fails leaves nothing. */
  async function drop(snapshot: string): Promise<void> {
    await rm(snapshotPlaces(paths, snapshot).folder, { recursive: true, force: true });
    await templates.release(snapshot);
  }

  return {
    drop,

    async take({ id }, snapshot, still) {
      const { folder, disk: target } = snapshotPlaces(paths, snapshot);
      if ((await bytesOf(target)) !== null) return;
      const { disk } = vmPlaces(paths, id);
      const bytes = await bytesOf(disk);
      if (bytes === null) throw new FleetError('storage', `The disk of VM \`${id}\` is gone.`);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      try {
        await assertRoom(folder, bytes);
        await templates.leaseLike(id, snapshot, folder);
        await still(() => overlays.clone({ disk, target, owner: null }));
      } catch (error) {
        await drop(snapshot);
        throw error;
      }
    },

    async startFrom(snapshot, vm, owner) {
      const { disk } = snapshotPlaces(paths, snapshot);
      const places = vmPlaces(paths, vm);
      const bytes = await bytesOf(disk);
      if (bytes === null) throw new FleetError('not_found', `Cannot create VM \`${vm}\`: its snapshot is gone.`);
      await assertRoom(places.folder, bytes);
      await templates.leaseLike(snapshot, vm, places.folder);
      await overlays.clone({ disk, target: places.disk, owner });
    },

    async space() {
      const vms = new Map<string, number>();
      for (const id of await idsIn(paths.vms)) {
        const bytes = await bytesOf(vmPlaces(paths, id).disk);
        if (bytes !== null) vms.set(id, bytes);
      }
      const snapshots = new Map<string, number | null>();
      for (const id of await idsIn(snapshotsFolder(paths))) {
        snapshots.set(id, await bytesOf(snapshotPlaces(paths, id).disk));
      }
      return { vms, snapshots };
    },
  };
}

/** Where the file system shares blocks it takes less; that is not known before. */
async function assertRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const mib = (count: number) => `${Math.floor(count / 1024 ** 2)} MiB`;
  if (bavail * bsize >= bytes + spareBytes) return;
  const free = `${mib(bavail * bsize)} are free, and ${mib(spareBytes)} of them are left for work`;
  throw new FleetError('storage', `A copy of this disk takes ${mib(bytes)} in \`${folder}\`; ${free}.`);
}

/** Null when it is not there. */
async function bytesOf(file: string): Promise<number | null> {
  return stat(file).then(
    ({ blocks }) => blocks * blockBytes,
    () => null,
  );
}

async function idsIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter(isVmId);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new FleetError('driver_unavailable', `Cannot read the folder \`${folder}\`.`, { cause });
  }
}
