import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { asFleetError, formatError, isFleetError } from '../../lib/errors.ts';
import type { Exec } from '../../lib/exec.ts';
import type { Paths } from '../../lib/paths.ts';
import type { DriverProbe } from '../driver.ts';
import type { Accel } from './accel.ts';
import { closedFolder, findQemuUser } from './qemu-user.ts';
import { installLibvirt, startLibvirt, type Virsh } from './virsh.ts';

type Problem = DriverProbe['problems'][number];

/** Where a privileged libvirt's log daemon listens; the session's is started by libvirt itself. */
const virtlogdSocket = '/run/libvirt/virtlogd-sock';

export async function probeLibvirt(
  parts: { exec: Exec; virsh: Virsh; paths: Paths; accel: () => Promise<Accel> },
  platform: NodeJS.Platform = process.platform,
): Promise<DriverProbe> {
  if (platform !== 'linux') {
    const what = `libvirt runs VMs on Linux only; this is \`${platform}\`.`;
    return { available: false, version: null, accel: null, problems: [{ what, remedy: 'driver: lima' }] };
  }
  const problems: Problem[] = [];
  if (process.arch !== 'x64') {
    problems.push({
      what: `This driver makes x86_64 VMs; this host is \`${process.arch}\`.`,
      remedy: 'Use an x86_64 host.',
    });
  }
  const note = (error: unknown) => {
    problems.push({ what: formatError(error), remedy: asFleetError(error).remedy ?? startLibvirt });
    return null;
  };
  const version = await parts.virsh(['version']).then(readVersion).catch(note);
  const tools = [await lacks(parts.exec, 'qemu-img'), await lacks(parts.exec, 'qemu-system-x86_64')];
  problems.push(...tools.filter((one) => one !== null));
  if (version !== null) {
    await findClosed(parts).then((found) => problems.push(...found), note);
  }
  const available = problems.length === 0;
  const accel = available ? await parts.accel().catch(note) : null;
  const slow = available ? await findShutKvm(parts).catch(note) : null;
  if (slow !== null) problems.push(slow);
  return { available, version, accel, problems };
}

/** `virsh version` as one line: `libvirt 11.3.0, QEMU 10.0.2`. */
function readVersion(printed: string): string {
  const library = /Using library: libvirt (\S+)/.exec(printed)?.[1] ?? '?';
  const hypervisor = /Running hypervisor: (\S+ \S+)/.exec(printed)?.[1] ?? 'no hypervisor';
  return `libvirt ${library}, ${hypervisor}`;
}

async function lacks(exec: Exec, command: string): Promise<Problem | null> {
  try {
    await exec([command, '--version'], { timeoutMs: 20_000 });
    return null;
  } catch (error) {
    const what = isFleetError(error, 'command_missing') ? `\`${command}\` is not installed.` : formatError(error);
    return { what, remedy: installLibvirt };
  }
}

async function findClosed({ exec, virsh, paths }: { exec: Exec; virsh: Virsh; paths: Paths }): Promise<Problem[]> {
  const user = await findQemuUser(virsh, exec);
  if (user === null) return [];
  const problems: Problem[] = [];
  const isLogging = await access(virtlogdSocket).then(
    () => true,
    () => false,
  );
  if (!isLogging) problems.push({ what: "libvirt's log daemon `virtlogd` does not run.", remedy: 'virtlogd -d' });
  for (const place of [paths.vms, paths.images, paths.runtime]) {
    const closed = await closedFolder(join(place, 'x'), user);
    if (closed === null) continue;
    const what = `QEMU's user (${user.label}) cannot enter \`${closed}\`, where VMs' files are to be.`;
    problems.push({ what, remedy: `chmod o+x ${closed}` });
  }
  return problems;
}

/**
 * libvirt examines QEMU with more rights than it runs it with: it then finds KVM usable, distrusts that at the next look, and
 * examines QEMU anew at every call, for seconds each (virQEMUCapsIsValid).
 */
async function findShutKvm({ exec, virsh }: { exec: Exec; virsh: Virsh }): Promise<Problem | null> {
  const user = await findQemuUser(virsh, exec);
  if (user === null) return null;
  const device = await stat('/dev/kvm').catch(() => null);
  if (device === null || user.uid === 0 || (device.mode & 0o006) === 0o006) return null;
  if (device.uid === user.uid || user.groups.includes(device.gid)) return null;
  const what = `QEMU's user (${user.label}) may not open \`/dev/kvm\`, which makes every call of libvirt take seconds.`;
  return { what, remedy: 'chgrp kvm /dev/kvm && chmod 660 /dev/kvm  (no hardware virtualisation: rm /dev/kvm)' };
}
