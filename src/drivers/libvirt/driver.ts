import { access, mkdir, readdir, rm } from 'node:fs/promises';
import { vmName } from '../../domain/vm.ts';
import type { Clock } from '../../lib/clock.ts';
import { FleetError } from '../../lib/errors.ts';
import type { Exec } from '../../lib/exec.ts';
import type { Log } from '../../lib/log.ts';
import type { Paths } from '../../lib/paths.ts';
import type { Driver, ObservedVm } from '../driver.ts';
import { assertVmId, isVmId } from '../vm-id.ts';
import { type Accel, probeAccel } from './accel.ts';
import { createChange, isOff } from './change.ts';
import { readTail } from './console.ts';
import { createVmMaker } from './create.ts';
import { createObserveDomains, type Domain } from './domains.ts';
import { createForks } from './fork.ts';
import { createGuestAgent } from './guest-agent.ts';
import { createOverlays } from './overlay.ts';
import { homeMark, libvirtLog, vmPlaces } from './places.ts';
import { probeLibvirt } from './probe.ts';
import { readResident } from './resident.ts';
import { createSnapshots } from './snapshots.ts';
import { createTemplateStore } from './templates.ts';
import { createVirsh } from './virsh.ts';

export interface LibvirtDriverOptions {
  exec: Exec;
  paths: Paths;
  /** The fleet's name: its mark on every domain, together with its home on the host. */
  fleet: string;
  log: Log;
  clock: Clock;
  /** Default: proved once per driver by running code. */
  accel?: () => Promise<Accel>;
}

/** How often a VM that was asked to power off is looked at. */
const offPollMs = 250;
/** How long the guest's agent may take to accept a shutdown before ACPI is tried. */
const agentShutdownMs = 10_000;
/** libvirt itself waits some 15 s for QEMU to die. */
const destroyMs = 60_000;
const startMs = 120_000;

export function createLibvirtDriver(options: LibvirtDriverOptions): Driver {
  const { exec, paths, clock, log } = options;
  const virsh = createVirsh(exec);
  const mark = { fleet: options.fleet, home: homeMark(paths) };
  const observe = createObserveDomains(virsh, mark);
  const agent = createGuestAgent(virsh);
  const overlays = createOverlays(exec);
  const accel = once(options.accel ?? (() => probeAccel(exec, paths.cache)));
  const templates = createTemplateStore({ root: paths.templates, exec, virsh, clock, log, accel });
  const snapshots = createSnapshots({ paths, overlays, templates });
  const change = createChange(virsh, observe);
  const maker = createVmMaker({ exec, virsh, change, paths, overlays, mark, accel, observe, snapshots });
  const forks = createForks({ paths, virsh, change, overlays, observe, templates, create: maker.create, remove });

  /** The domain if it is ours; a foreign one of the same name is as good as none. */
  async function look(id: string): Promise<Domain | null> {
    assertVmId(id);
    const domain = (await observe()).get(id);
    return domain?.isOurs ? domain : null;
  }

  async function lookMade(id: string): Promise<Domain> {
    const domain = await look(id);
    if (domain !== null) return domain;
    throw new FleetError('not_found', `There is no VM \`${id}\`.`);
  }

  async function powerOff({ id, uuid }: Domain): Promise<void> {
    await change(id, ['destroy', uuid], (domain) => domain === null || isOff(domain), {
      timeoutMs: destroyMs,
    });
  }

  async function askToPowerOff({ id, uuid }: Domain, graceMs: number): Promise<boolean> {
    const until = clock.now() + graceMs;
    const ask = (mode: string) =>
      virsh(['shutdown', uuid, '--mode', mode], { timeoutMs: Math.min(graceMs, agentShutdownMs) });
    try {
      await ask('agent').catch(() => ask('acpi'));
    } catch (err) {
      log.debug({ driver: 'libvirt', vm: id, err }, 'the guest cannot be asked to power off');
    }
    for (;;) {
      const domain = await look(id);
      if (domain === null || isOff(domain)) return true;
      if (clock.now() >= until) return false;
      await clock.sleep(offPollMs);
    }
  }

  async function remove(id: string): Promise<void> {
    assertVmId(id);
    const { folder, socketFolder } = vmPlaces(paths, id);
    const domain = (await observe()).get(id);
    if (domain?.isOurs) {
      if (!isOff(domain)) await powerOff(domain);
      await change(id, ['undefine', domain.uuid, ...everything], (now) => now === null);
      await rm(libvirtLog(domain.name), { force: true });
    }
    // Of one that was undefined by hand the folder still tells that its log is ours.
    if (domain?.isOurs || (domain === undefined && (await isThere(folder))))
      await rm(libvirtLog(vmName(id)), { force: true });
    await rm(socketFolder, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
    await templates.release(id);
  }

  async function pause(id: string): Promise<void> {
    const domain = running(await lookMade(id));
    if (domain.state === 'paused') return;
    await change(id, ['suspend', domain.uuid], (now) => now?.state === 'paused');
  }

  async function resume(id: string): Promise<void> {
    const domain = running(await lookMade(id));
    if (domain.state === 'running') return;
    await change(id, ['resume', domain.uuid], (now) => now?.state === 'running');
  }

  return {
    name: 'libvirt',
    wall: 'device',
    canFork: true,
    probe: () => probeLibvirt({ exec, virsh, paths, accel }),

    async list() {
      const [domains, folders] = [await observe(), await vmFolders(paths)];
      const found: ObservedVm[] = [];
      const ours = [...domains.values()].filter((domain) => domain.isOurs);
      const listed = new Set([...ours.map((domain) => domain.id), ...folders]);
      for (const id of listed) {
        const domain = ours.find((one) => one.id === id);
        const state = (await isThere(vmPlaces(paths, id).disk)) ? (domain?.state ?? 'partial') : 'diskless';
        found.push({ id, state, residentMiB: domain === undefined ? null : await readResident(domain.name) });
      }
      return found.sort((a, b) => a.id.localeCompare(b.id));
    },

    ...maker,

    async start(id) {
      const domain = await lookMade(id);
      if (!isOff(domain)) return;
      const name = vmName(id);
      if (domain.name !== name) await change(id, ['domrename', domain.uuid, name], (now) => now?.name === name);
      await openSocketFolder(paths, id);
      await change(id, ['start', domain.uuid], (now) => now !== null && !isOff(now), { timeoutMs: startMs });
    },

    async stop(id, graceMs) {
      const domain = await look(id);
      if (domain === null || isOff(domain)) return;
      if (graceMs > 0 && domain.state === 'running' && (await askToPowerOff(domain, graceMs))) return;
      await powerOff(domain);
    },

    pause,
    resume,
    remove,

    endpoint: (id, use) => ({ kind: 'unix', path: vmPlaces(paths, id).sockets[use] }),

    async agentAnswers(id) {
      assertVmId(id);
      return agent.answers(id);
    },

    async hostKey(id) {
      assertVmId(id);
      return agent.hostKey(id);
    },

    async setTime(id, ms) {
      await lookMade(id);
      await agent.setTime(id, ms);
    },

    consoleTail: async (id, maxBytes) => readTail(vmPlaces(paths, id).console, maxBytes),
    consoleFile: (id) => vmPlaces(paths, id).console,

    async exportDisk(id, target) {
      const domain = await lookMade(id);
      if (!isOff(domain)) {
        throw new FleetError('vm_not_ready', `VM \`${id}\` is ${domain.state}; its disk is exported when it is off.`);
      }
      if (await templates.isLeasedBy(id)) {
        throw new FleetError('refused', `VM \`${id}\` was forked; only the disk of a booted one can be exported.`);
      }
      await overlays.copy(vmPlaces(paths, id).disk, target);
    },

    async snapshot(id, snapshot) {
      const domain = await lookMade(id);
      // A VM that stands still has all its writes on the disk: QEMU flushes them before it says so.
      await snapshots.take(domain, snapshot, async (copy) => {
        if (domain.state !== 'running') return await copy();
        await pause(id);
        try {
          await copy();
        } finally {
          await resume(id);
        }
      });
    },
    dropSnapshot: snapshots.drop,
    space: snapshots.space,

    async templates(wanted) {
      const found = await Promise.all(wanted.map((base) => templates.find(base, false)));
      return wanted.filter((_, n) => found[n] !== null).map(({ disk }) => disk);
    },

    saveTemplate: forks.saveTemplate,
    fork: forks.fork,
    dropTemplate: templates.drop,
    idleTemplates: templates.idle,
    removeTemplate: templates.remove,
  };
}

/** What `undefine` has to take along, or it refuses. */
const everything = ['--managed-save', '--snapshots-metadata', '--checkpoints-metadata', '--nvram'];

function running(domain: Domain): Domain {
  if (!isOff(domain)) return domain;
  throw new FleetError('vm_not_ready', `VM \`${domain.id}\` is ${domain.state}, not running.`);
}

/** For others to pass through to a socket they know and may open, never to look around in. */
async function openSocketFolder(paths: Paths, id: string): Promise<void> {
  await mkdir(vmPlaces(paths, id).socketFolder, { recursive: true, mode: 0o711 });
}

async function vmFolders(paths: Paths): Promise<string[]> {
  try {
    return (await readdir(paths.vms)).filter(isVmId);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new FleetError('driver_unavailable', `Cannot read the VMs' folder \`${paths.vms}\`.`, { cause });
  }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Remembers what was found; a failure is tried again. */
function once<T>(find: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | null = null;
  return () => {
    found ??= find().catch((error) => {
      found = null;
      throw error;
    });
    return found;
  };
}
