import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * What a suite must not leave on the machine, beside processes and domains (`FleetHome.traces`): sockets and mounts below its folder, and
 * what libvirt itself keeps of its VMs (logs, pid files, saved memory, definitions). Empty once all is gone. Only what is of this home
 * counts: others may be at work on the same machine.
 */
export async function leftoversOf(root: string, vmIds: readonly string[]): Promise<string[]> {
  const found = [...(await linesWith('/proc/net/unix', root)).map((line) => `socket: ${line.split(' ').at(-1)}`)];
  found.push(...(await linesWith('/proc/self/mounts', root)).map((line) => `mount: ${line}`));
  for (const folder of libvirtFolders) {
    const names = await readdir(folder, { recursive: true }).catch(() => []);
    const ours = names.filter((name) => vmIds.some((id) => name.includes(`rf-${id}`)));
    found.push(...ours.map((name) => `libvirt: ${join(folder, name)}`));
  }
  return found;
}

const libvirtFolders = ['/var/log/libvirt/qemu', '/var/lib/libvirt/qemu', '/run/libvirt/qemu', '/etc/libvirt/qemu'];

async function linesWith(file: string, text: string): Promise<string[]> {
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n');
  return lines.filter((line) => line.includes(text));
}

/** How many files, sockets and pipes a process holds open. */
export async function openFilesOf(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}
