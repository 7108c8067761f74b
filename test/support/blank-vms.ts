import { chmod, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Driver, VmSpec } from '../../src/drivers/driver.ts';
import { createLibvirtDriver } from '../../src/drivers/libvirt/driver.ts';
import { type VmPlaces, vmPlaces } from '../../src/drivers/libvirt/places.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec, type Exec } from '../../src/lib/exec.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import { type Paths, resolvePaths } from '../../src/lib/paths.ts';
import { makePublicKey } from '../fixtures/guest-shell.ts';
import { leftoversOf, virsh } from './leftovers.ts';

/**
 * VMs of real libvirt and QEMU with nothing on their disks: the firmware finds no system and waits. They start, stop, are saved and forked
 * in a fraction of a second, for tests of what is done to VMs, not in them.
 */
export interface BlankVms {
  root: string;
  paths: Paths;
  spec(id: string): VmSpec;
  places(id: string): VmPlaces;
  /** A driver as after a start of the daemon; it knows nothing yet. */
  driver(exec?: Exec): Driver;
  /** What libvirt itself says: `running`, `paused`, `shut off`; null when it knows no such VM. */
  state(id: string): Promise<string | null>;
  /** Tells a disk from another one in its place. */
  diskNumber(id: string): Promise<number>;
  leftovers(): Promise<string[]>;
  /** Removes all there is; throws when anything is left then. */
  close(): Promise<void>;
}

const exec = createExec();

interface Libvirt {
  exec: Exec;
  virsh: string[];
  /** When no VM is left. */
  close(): Promise<void>;
}

/** `libvirt`: another one than the machine's, in the folder. */
export async function createBlankVms(libvirtIn?: (root: string) => Promise<Libvirt>): Promise<BlankVms> {
  const root = await mkdtemp(join(tmpdir(), 'rf-blank-'));
  await chmod(root, 0o755); // QEMU's user passes through
  const env = { HOME: root, XDG_STATE_HOME: root, XDG_CACHE_HOME: root, XDG_RUNTIME_DIR: root };
  const paths = resolvePaths(env);
  const libvirt = (await libvirtIn?.(root)) ?? { exec, virsh, close: async () => {} };
  await mkdir(paths.images, { recursive: true });
  const base = join(paths.images, 'blank.qcow2');
  await exec(['qemu-img', 'create', '-q', '-f', 'qcow2', base, '1M']);
  await chmod(base, 0o644);
  const authorizedKey = makePublicKey();
  const asked = new Set<string>();
  const driver = (by: Exec = libvirt.exec) =>
    createLibvirtDriver({
      ...{ exec: by, paths, fleet: 'blank', log: createSilentLog(), clock: createSystemClock() },
      accel: async () => 'tcg',
    });
  const leftovers = () => leftoversOf(root, [...asked]);
  return {
    root,
    paths,
    spec(id) {
      asked.add(id);
      const size = { cpus: 1, memoryMiB: 64, diskGiB: 1 };
      return { id, disk: 'blank', base, boot: null, size, authorizedKey };
    },
    places: (id) => vmPlaces(paths, id),
    driver,
    async state(id) {
      const { exitCode, stdout } = await exec([...libvirt.virsh, 'domstate', `rf-${id}`], { okExitCodes: [0, 1] });
      return exitCode === 0 ? stdout.trim() : null;
    },
    diskNumber: async (id) => (await stat(vmPlaces(paths, id).disk)).ino,
    leftovers,
    async close() {
      for (const { id } of await driver().list()) await driver().remove(id);
      await libvirt.close();
      await rm(root, { recursive: true, force: true });
      const left = await leftovers();
      if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
    },
  };
}
