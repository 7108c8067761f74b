import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { release, version } from 'node:os';
import { channelUses } from '../../domain/endpoint.ts';
import type { VmBase } from '../driver.ts';
import type { Accel } from './accel.ts';
import { domainXml } from './domain-xml.ts';
import { garbled, type Virsh } from './virsh.ts';

/** What saved memory fits to, besides its disk: an exact match or none. */
export interface HostFacts {
  libvirt: string;
  qemu: string;
  kernel: string;
  processor: string;
  microcode: string;
}

export interface Fingerprint extends HostFacts {
  disk: string;
  /**
   * Tells the disk's file from another of the same key: a disk that was made again holds the same things in other places, and
   * memory that knows the one must never meet the other.
   */
  diskFile: string;
  memoryMiB: number;
  cpus: number;
  diskGiB: number;
  accel: Accel;
  /** Digest of the domain's definition without what differs from VM to VM: devices, machine type, CPU model, command line. */
  machine: string;
}

export async function readHostFacts(virsh: Virsh): Promise<HostFacts> {
  const printed = await virsh(['version']);
  // To the ends of their lines: half a version would fit to something else.
  const libvirt = /^Using library: libvirt (\S+)\n/m.exec(printed)?.[1];
  const qemu = /^Running hypervisor: QEMU (\S+)\n/m.exec(printed)?.[1];
  if (libvirt === undefined || qemu === undefined) throw garbled('version');
  const cpu = await readFile('/proc/cpuinfo', 'latin1');
  const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(cpu)?.[1] ?? '';
  const processor = ['vendor_id', 'cpu family', 'model', 'model name', 'stepping', 'flags'].map(field);
  return {
    libvirt,
    qemu,
    kernel: `${release()} ${version()}`,
    processor: digest(processor),
    microcode: field('microcode'),
  };
}

/** Throws when the base's file is not there. */
export async function readFingerprint(base: VmBase, accel: Accel, host: HostFacts): Promise<Fingerprint> {
  const { size: bytes, mtimeMs, ino } = await stat(base.base);
  return {
    ...host,
    ...base.size,
    accel,
    disk: base.disk,
    diskFile: `${bytes} ${mtimeMs} ${ino}`,
    machine: machineOf(base, accel),
  };
}

function machineOf({ size, boot }: VmBase, accel: Accel): string {
  const files = boot === null ? null : { ...boot, kernel: '/kernel', initrd: '/initrd' };
  const sockets = Object.fromEntries(channelUses.map((use) => [use, `/${use}`])) as Record<
    (typeof channelUses)[number],
    string
  >;
  const nobody = { id: '00000000', mark: { fleet: '', home: '' }, authorizedKey: '', qemuUser: null };
  const xml = domainXml({ ...nobody, accel, size, boot: files, disk: '/disk', console: '/console', sockets });
  return digest([xml]);
}

/** Its short name, 16 hexadecimal digits. */
export function fingerprintKey(fingerprint: Fingerprint): string {
  return digest(Object.entries(fingerprint).toSorted().flat().map(String));
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}
