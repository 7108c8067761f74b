import { statfsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import type { FleetConfig } from '../domain/fleet.ts';

const shareOfMemory = 0.8;
const vmsPerCore = 3;

/** How many VMs fit: `vms.count` where it is a number; else what memory and cores allow, never overcommitted. */
export function capacityOf(config: FleetConfig): number {
  const { count, size } = config.vms;
  if (count !== 'auto') return count;
  const byMemory = Math.floor((totalmem() * shareOfMemory) / 1024 / 1024 / size.memoryMiB);
  return Math.max(2, Math.min(byMemory, availableParallelism() * vmsPerCore));
}

export function hostFacts(folder: string): { memoryMiB: number | null; diskFreeGiB: number | null } {
  return { memoryMiB: Math.floor(totalmem() / 1024 / 1024), diskFreeGiB: freeGiB(folder) };
}

function freeGiB(folder: string): number | null {
  try {
    const found = statfsSync(folder);
    return Math.round((found.bavail * found.bsize) / 1024 / 1024 / 102.4) / 10;
  } catch {
    return null;
  }
}
