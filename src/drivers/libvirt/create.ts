import { access, chmod, mkdir, writeFile } from 'node:fs/promises';
import { vmName } from '../../domain/vm.ts';
import { FleetError } from '../../lib/errors.ts';
import type { Exec } from '../../lib/exec.ts';
import type { Paths } from '../../lib/paths.ts';
import type { Driver, VmSpec } from '../driver.ts';
import type { Accel } from './accel.ts';
import type { Change } from './change.ts';
import { domainXml } from './domain-xml.ts';
import type { ObserveDomains } from './domains.ts';
import type { Mark } from './mark.ts';
import type { Overlays } from './overlay.ts';
import { type VmPlaces, vmPlaces } from './places.ts';
import { closedFolder, findQemuUser, type QemuUser } from './qemu-user.ts';
import type { Snapshots } from './snapshots.ts';
import type { Virsh } from './virsh.ts';

export interface VmMakerParts {
  exec: Exec;
  virsh: Virsh;
  change: Change;
  paths: Paths;
  overlays: Overlays;
  mark: Mark;
  accel: () => Promise<Accel>;
  observe: ObserveDomains;
  snapshots: Pick<Snapshots, 'startFrom'>;
}

/** The first one makes libvirt examine QEMU, which takes long under emulation. */
const defineMs = 120_000;

/** Folder, then overlay, then domain: cut off anywhere, the folder shows it as half made, and the next call goes on. */
export function createVmMaker(parts: VmMakerParts): Pick<Driver, 'create' | 'redefine'> {
  const { virsh, paths, overlays, observe } = parts;
  return { create: (spec) => make(spec, 'new disk'), redefine: (spec) => make(spec, 'its disk') };

  async function make(spec: VmSpec, on: 'new disk' | 'its disk'): Promise<void> {
    const places = vmPlaces(paths, spec.id);
    assertKey(spec);
    const domain = (await observe()).get(spec.id);
    if (domain && !domain.isOurs) {
      throw new FleetError(
        'refused',
        `Cannot create VM \`${spec.id}\`: \`${vmName(spec.id)}\` exists and is not ours.`,
      );
    }
    const hasDisk = await isThere(places.disk);
    if (domain && hasDisk) return;
    if (on === 'its disk' && !hasDisk) {
      throw new FleetError('not_found', `Cannot define VM \`${spec.id}\` again: its disk \`${places.disk}\` is gone.`);
    }
    const user = await findQemuUser(virsh, parts.exec);
    await assertReachable(spec, places, user);
    await openFolder(places.folder, user);
    await openFolder(places.socketFolder, user);
    if (!hasDisk && spec.snapshot) await parts.snapshots.startFrom(spec.snapshot, spec.id, user);
    else if (!hasDisk) {
      await overlays.create({ disk: places.disk, base: spec.base, diskGiB: spec.size.diskGiB, owner: user });
    }
    if (domain) return;
    const { id, size, boot, authorizedKey } = spec;
    const { disk, console, sockets } = places;
    const accel = await parts.accel();
    const qemuUser = user?.label ?? null;
    const xml = domainXml({ id, mark: parts.mark, accel, size, boot, authorizedKey, disk, console, sockets, qemuUser });
    await writeFile(places.definition, xml, { mode: 0o600 });
    // Two creates at once, or a lost reply: the first one counts.
    await parts.change(spec.id, ['define', places.definition, '--validate'], (now) => now !== null, {
      timeoutMs: defineMs,
    });
  }
}

/** The key goes into the guest's authorized_keys as it is. */
function assertKey(spec: VmSpec): void {
  if (/^(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [\x20-\x7e]*)?$/.test(spec.authorizedKey)) return;
  throw new FleetError('bug', `The authorized key of VM \`${spec.id}\` is not one public key on one line.`);
}

async function assertReachable(spec: VmSpec, places: VmPlaces, user: QemuUser | null): Promise<void> {
  const needed = [spec.base, ...(spec.boot ? [spec.boot.kernel, spec.boot.initrd] : [])];
  for (const file of needed) {
    if (await isThere(file)) continue;
    throw new FleetError('not_found', `Cannot create VM \`${spec.id}\`: there is no file \`${file}\`.`, {
      remedy: 'ralph-fleet image build',
    });
  }
  if (user === null) return;
  for (const file of [...needed, places.folder, places.socketFolder]) {
    const closed = await closedFolder(file, user);
    if (closed === null) continue;
    throw new FleetError('refused', `QEMU's user (${user.label}) cannot enter \`${closed}\` to reach \`${file}\`.`, {
      remedy: `chmod o+x ${closed}`,
    });
  }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** For QEMU's user to pass through, never to look around in. */
async function openFolder(folder: string, user: QemuUser | null): Promise<void> {
  const mode = user === null ? 0o700 : 0o711;
  await mkdir(folder, { recursive: true, mode });
  await chmod(folder, mode);
}
