/** What the fleet keeps on a disk of the host. */
export type DiskUse = 'state' | 'vms' | 'images';

/** One file system of the host, and which folders of ours stand on it. */
export interface DiskLook {
  path: string;
  uses: readonly DiskUse[];
  /** For this user. */
  freeMiB: number;
}

export interface MemoryLook {
  totalMiB: number;
  /** What could be had without swapping, caches given back. */
  availableMiB: number;
  /** Per cent of the last 10 s in which every program waited for memory (PSI, `full avg10`); null where the kernel does not say. */
  stalledPercent: number | null;
}

/** What a look at the host finds: cheap enough for every pass. What cannot be read is null, or not in the list. */
export interface HostLook {
  cores: number;
  memory: MemoryLook | null;
  disks: readonly DiskLook[];
  /** The ballast stands whole in the state folder. */
  hasBallast: boolean;
}

/** What `host` of fleet.yaml leaves to the person. */
export interface KeptFree {
  keepFreeDiskGiB: number;
  keepFreeMemoryMiB: number;
}

/** Given up to save work when the disk is full; part of what is kept free. */
export function ballastMiB({ keepFreeDiskGiB }: KeptFree): number {
  return Math.max(1, Math.floor(keptDiskMiB({ keepFreeDiskGiB }) / 4));
}

export function keptDiskMiB({ keepFreeDiskGiB }: Pick<KeptFree, 'keepFreeDiskGiB'>): number {
  return keepFreeDiskGiB * 1024;
}

/** `3.4 GiB`, `180 MiB` */
export function sayMiB(mib: number): string {
  if (mib < 1000) return `${Math.round(mib)} MiB`;
  const gib = mib / 1024;
  return `${gib >= 10 ? Math.floor(gib) : Math.round(gib * 10) / 10} GiB`;
}
