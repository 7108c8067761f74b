import type { FleetConfig } from './fleet.ts';
import { type HostLook, keptDiskMiB, sayMiB } from './host.ts';

/** What a host is, however busy. */
export interface HostSize {
  memoryMiB: number;
  cores: number;
}

export type Accel = 'kvm' | 'hvf' | 'tcg' | null;

const shareOfMemory = 0.8;
const vmsPerCore = 3;
const leastMemoryMiB = 1024;
const stepMiB = 256;

/** The most a VM may take of the host's memory: its guest's, and what the hypervisor needs beside it; translated code under emulation. */
export function worstCaseMiB(memoryMiB: number, accel: Accel): number {
  return memoryMiB + (accel === 'tcg' ? 600 : 200);
}

/** How many VMs of fleet.yaml's size the host can have at once, were nothing else on it; and what does not allow more. */
export function vmLimit(
  { vms }: Pick<FleetConfig, 'vms'>,
  { memoryMiB, cores }: HostSize,
  accel: Accel,
): { vms: number; by: 'count' | 'memory' | 'cores' } {
  const byMemory = Math.floor((memoryMiB * shareOfMemory) / worstCaseMiB(vms.size.memoryMiB, accel));
  const [by, most] = vms.count === 'auto' ? (['cores', cores * vmsPerCore] as const) : (['count', vms.count] as const);
  return byMemory < most ? { vms: byMemory, by: 'memory' } : { vms: most, by };
}

/** VMs that work at once when all of fleet.yaml is at work: one for each Ralph, and one verifier's. */
export function vmsAsked({ roles, vms }: Pick<FleetConfig, 'roles' | 'vms'>): number {
  const all = roles.implementer + roles.reviewer + 1;
  return vms.count === 'auto' ? all : Math.min(all, vms.count);
}

/** Null where all that fleet.yaml asks for fits; else what does not, and sizes that would. */
export function adviseSize(
  config: Pick<FleetConfig, 'roles' | 'vms'>,
  host: HostSize,
  accel: Accel,
): { asked: number; fit: number; advice: string } | null {
  const asked = vmsAsked(config);
  const { vms: fit, by } = vmLimit(config, host, accel);
  if (fit >= asked) return null;
  const { memoryMiB } = config.vms.size;
  const has = by === 'memory' ? `${sayMiB(host.memoryMiB)} of memory` : `${host.cores} cores`;
  const happens = fit === 0 ? 'none can be started' : 'the others wait';
  const what = `${asked} VMs of ${sayMiB(memoryMiB)} are asked for, ${fit} fit on ${has}: ${happens}`;
  return { asked, fit, advice: `${what}; ${suggest(config, host, accel, by)}` };
}

function suggest(
  { roles, vms }: Pick<FleetConfig, 'roles' | 'vms'>,
  host: HostSize,
  accel: Accel,
  by: 'count' | 'memory' | 'cores',
): string {
  const asked = vmsAsked({ roles, vms });
  const share = Math.floor((host.memoryMiB * shareOfMemory) / asked) - worstCaseMiB(0, accel);
  const smaller = Math.floor(share / stepMiB) * stepMiB;
  if (by === 'memory' && smaller >= leastMemoryMiB)
    return `all would with \`vms: {memoryMiB: ${smaller}}\` in fleet.yaml`;
  const memoryMiB = Math.min(vms.size.memoryMiB, Math.max(leastMemoryMiB, smaller));
  const { vms: fit } = vmLimit({ vms: { ...vms, size: { ...vms.size, memoryMiB } } }, host, accel);
  const implementer = Math.max(1, Math.min(roles.implementer, fit - Math.min(1, roles.reviewer) - 1));
  const reviewer = Math.min(roles.reviewer, 1);
  const size = memoryMiB < vms.size.memoryMiB ? ` and \`vms: {memoryMiB: ${memoryMiB}}\`` : '';
  return `what fits is \`roles: {implementer: ${implementer}, reviewer: ${reviewer}}\`${size} in fleet.yaml`;
}

/** A VM as admission sees it. */
export interface Promised {
  memoryMiB: number;
  /** What its process holds now; 0 before it runs, and where nobody can say. */
  residentMiB: number;
}

/** An overlay's growth until its first look at the disk; less on a disk that is kept less free. */
function firstGrowthMiB(keptMiB: number): number {
  return Math.min(1024, Math.max(1, keptMiB / 2));
}

/**
 * How many further VMs of fleet.yaml's size the host has room for now, beside all else that runs on it. Worst case: each VM there
 * is may still take all it was promised. Negative when even that does not fit any more.
 */
export function furtherVms(
  look: HostLook,
  config: Pick<FleetConfig, 'vms' | 'host'>,
  promised: readonly Promised[],
  accel: Accel,
): { vms: number; by: 'memory' | 'disk'; freeMiB: number; owedMiB: number } {
  const owedMiB = promised.reduce((sum, vm) => {
    return sum + Math.max(0, worstCaseMiB(vm.memoryMiB, accel) - vm.residentMiB);
  }, 0);
  const keptMiB = keptDiskMiB(config.host);
  const disk = look.disks.find(({ uses }) => uses.includes('vms'));
  const byDisk = disk === undefined ? Infinity : Math.floor((disk.freeMiB - keptMiB) / firstGrowthMiB(keptMiB));
  const { memory } = look;
  const headroomMiB = memory === null ? Infinity : memory.availableMiB - config.host.keepFreeMemoryMiB - owedMiB;
  const byMemory = Math.floor(headroomMiB / worstCaseMiB(config.vms.size.memoryMiB, accel));
  return byMemory <= byDisk
    ? { vms: byMemory, by: 'memory', freeMiB: memory?.availableMiB ?? 0, owedMiB }
    : { vms: byDisk, by: 'disk', freeMiB: disk?.freeMiB ?? 0, owedMiB };
}
