import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type ChannelUse, channelUses } from '../../domain/endpoint.ts';
import type { Paths } from '../../lib/paths.ts';
import { assertVmId } from '../vm-id.ts';

/** Every file of one VM on the host. */
export interface VmPlaces {
  folder: string;
  disk: string;
  /** The domain XML as it was given to libvirt. */
  definition: string;
  console: string;
  /** Head of the template's save file with this VM in it, while it is forked. */
  head: string;
  socketFolder: string;
  sockets: Record<ChannelUse, string>;
}

export function vmPlaces(paths: Paths, id: string): VmPlaces {
  assertVmId(id);
  const folder = join(paths.vms, id);
  const socketFolder = join(paths.runtime, `vm-${id}`);
  const socket = (use: ChannelUse) => [use, join(socketFolder, `${use}.sock`)] as const;
  return {
    folder,
    disk: join(folder, 'disk.qcow2'),
    definition: join(folder, 'domain.xml'),
    console: join(folder, 'console.log'),
    head: join(folder, 'fork.head'),
    socketFolder,
    sockets: Object.fromEntries(channelUses.map(socket)) as Record<ChannelUse, string>,
  };
}

/** Every file of one snapshot. Beside the VMs, so that a file system that shares blocks between copies can. */
export interface SnapshotPlaces {
  folder: string;
  /** There once it is whole. */
  disk: string;
}

export function snapshotPlaces(paths: Paths, id: string): SnapshotPlaces {
  assertVmId(id);
  const folder = join(snapshotsFolder(paths), id);
  return { folder, disk: join(folder, 'disk.qcow2') };
}

export function snapshotsFolder(paths: Paths): string {
  return join(paths.vms, 'snapshots');
}

/** Every file of one template. */
export interface TemplatePlaces {
  folder: string;
  /** What it was saved on and from; written last. */
  about: string;
  memory: string;
  /** The save file's head as libvirt wrote it. */
  head: string;
  disk: string;
  /** Held by whoever rewrites the head of `memory` and reads it. */
  lock: string;
  /** One file for each VM or snapshot whose disk stands on this one's: its folder. */
  leases: string;
}

export function templatePlaces(folder: string): TemplatePlaces {
  return {
    folder,
    about: join(folder, 'about.json'),
    memory: join(folder, 'memory'),
    head: join(folder, 'head'),
    disk: join(folder, 'disk.qcow2'),
    lock: join(folder, 'lock'),
    leases: join(folder, 'leases'),
  };
}

/** Names this fleet's home on the host, so that two fleets of one name under one libvirt keep apart. */
export function homeMark(paths: Paths): string {
  return createHash('sha256').update(paths.state).digest('hex').slice(0, 12);
}

/** The log libvirt keeps of a domain's QEMU; it stays when the domain goes, unless removed. */
export function libvirtLog(domain: string, env: NodeJS.ProcessEnv = process.env, uid = process.getuid?.()): string {
  const cache = env['XDG_CACHE_HOME'] || join(env['HOME'] ?? homedir(), '.cache');
  const folder = uid === 0 ? '/var/log/libvirt/qemu' : join(cache, 'libvirt/qemu/log');
  return join(folder, `${domain}.log`);
}
