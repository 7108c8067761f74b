import { statfsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { type Accel, type HostSize, vmLimit } from '../domain/fit.ts';
import type { FleetConfig } from '../domain/fleet.ts';

/** How many VMs fit, were nothing else on this host: never more than its memory holds, whatever `vms.count` says. */
export function capacityOf(config: FleetConfig, accel: Accel): number {
  return vmLimit(config, hostSize(), accel).vms;
}

function hostSize(): HostSize {
  return { memoryMiB: Math.floor(totalmem() / 2 ** 20), cores: availableParallelism() };
}

export function hostFacts(folder: string): HostSize & { diskFreeGiB: number | null } {
  return { ...hostSize(), diskFreeGiB: freeGiB(folder) };
}

function freeGiB(folder: string): number | null {
  try {
    const found = statfsSync(folder);
    return Math.round((found.bavail * found.bsize) / 1024 / 1024 / 102.4) / 10;
  } catch {
    return null;
  }
}
