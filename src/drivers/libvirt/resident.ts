import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * What the QEMU process of a domain holds of the host's memory, in MiB: what it wrote or was given, without files it maps. Two small
 * reads, no question to libvirt; null where there is no such process, or the host has no /proc.
 */
export async function readResident(domain: string): Promise<number | null> {
  const pid = (await readFile(pidFile(domain), 'utf8').catch(() => '')).trim();
  return /^\d+$/.test(pid) ? parseResident(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')) : null;
}

/** From /proc/PID/status; null from what is not whole. */
export function parseResident(status: string): number | null {
  const kib = ['RssAnon', 'RssShmem'].map((name) => new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
  if (kib.includes(undefined)) return null;
  return Math.floor(kib.reduce((sum, one) => sum + Number(one), 0) / 1024);
}

/** Where libvirt notes it down: for root as the system's, else as the user's own. */
function pidFile(domain: string, env: NodeJS.ProcessEnv = process.env, uid = process.getuid?.()): string {
  const cache = env['XDG_CACHE_HOME'] || join(env['HOME'] ?? homedir(), '.cache');
  const own = env['XDG_RUNTIME_DIR']
    ? join(env['XDG_RUNTIME_DIR'], 'libvirt/qemu/run')
    : join(cache, 'libvirt/qemu/run');
  return join(uid === 0 ? '/run/libvirt/qemu' : own, `${domain}.pid`);
}
