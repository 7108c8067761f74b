import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Exec } from '../../lib/exec.ts';
import { readQemuUser } from './domain-xml.ts';
import { garbled, type Virsh } from './virsh.ts';

/** The user a privileged libvirt (root's) runs QEMU as. */
export interface QemuUser {
  uid: number;
  gid: number;
  /** Every group it is in. */
  groups: number[];
  /** As libvirt writes it: `+uid:+gid`. */
  label: string;
}

/** Null where QEMU runs as whoever asks: any libvirt but root's. */
export async function findQemuUser(virsh: Virsh, exec: Exec): Promise<QemuUser | null> {
  const xml = await virsh(['capabilities']);
  try {
    const label = readQemuUser(xml);
    const found = /^\+(\d+):\+(\d+)$/.exec(label ?? '');
    if (label === null || found === null) return null;
    const [uid, gid] = [Number(found[1]), Number(found[2])];
    return { uid, gid, groups: [gid, ...(await groupsOf(exec, uid))], label };
  } catch (cause) {
    throw garbled('capabilities', cause);
  }
}

/** Without a passwd entry a user is in no other group. */
async function groupsOf(exec: Exec, uid: number): Promise<number[]> {
  const { exitCode, stdout } = await exec(['id', '-G', String(uid)], { timeoutMs: 10_000, okExitCodes: [0, 1] });
  return exitCode === 0 ? stdout.trim().split(' ').map(Number) : [];
}

/** The first folder on the way to `path` (which need not exist yet) that QEMU's user cannot pass, or null. */
export async function closedFolder(path: string, user: QemuUser): Promise<string | null> {
  const folders: string[] = [];
  for (let at = dirname(path); !folders.includes(at); at = dirname(at)) folders.unshift(at);
  for (const folder of folders) {
    const found = await stat(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (found === null) return null;
    if (!mayPass(found, user)) return folder;
  }
  return null;
}

function mayPass(folder: { mode: number; uid: number; gid: number }, user: QemuUser): boolean {
  if (user.uid === 0) return true;
  if (folder.uid === user.uid) return (folder.mode & 0o100) !== 0;
  if (user.groups.includes(folder.gid)) return (folder.mode & 0o010) !== 0;
  return (folder.mode & 0o001) !== 0;
}
