import { mkdir, open, rm, statfs, writeFile } from 'node:fs/promises';
import { vmName } from '../../domain/vm.ts';
import { FleetError, isFleetError } from '../../lib/errors.ts';
import type { Paths } from '../../lib/paths.ts';
import type { VmBase, VmSpec } from '../driver.ts';
import { type Change, isOff } from './change.ts';
import { readMark } from './domain-xml.ts';
import type { Domain, ObserveDomains } from './domains.ts';
import type { Overlays } from './overlay.ts';
import { type TemplatePlaces, vmPlaces } from './places.ts';
import { headBytes, replaceDomain, saveFileStartBytes } from './save-file.ts';
import type { FoundTemplate, SaveFormat, TemplateStore } from './templates.ts';
import { garbled, type Virsh } from './virsh.ts';

export interface ForkParts {
  paths: Paths;
  virsh: Virsh;
  change: Change;
  overlays: Overlays;
  observe: ObserveDomains;
  templates: TemplateStore;
  create: (spec: VmSpec) => Promise<void>;
  remove: (id: string) => Promise<void>;
}

export interface Forks {
  saveTemplate(id: string, base: VmBase): Promise<void>;
  fork(spec: VmSpec): Promise<void>;
}

const saveMs = 300_000;
const restoreMs = 120_000;
/** How long one fork waits for others from the same template. */
const lockSeconds = 60;
const mib = 1024 ** 2;
const spareMiB = 1024;
/** More gain nothing on a memory of this size. */
const channels = ['--parallel-channels', '2'];

/**
 * Under the lock the head of the template's memory is replaced in place by the fork's own, and read by libvirt: no copy of hundreds of
 * megabytes. A head that was cut off in the middle does no harm, each fork writes its own whole. The lock is the kernel's and held by the one
 * process that `flock`, the shell and virsh are in turn: it outlives a daemon that is killed just as long as the restore does, and a virsh
 * that hangs ends, and gives it back, at its deadline.
 */
const replaceAndRun = 'dd if="$1" of="$2" bs=1M conv=notrunc status=none && shift 2 && exec "$@"';

export function createForks(parts: ForkParts): Forks {
  const { paths, virsh, change, overlays, observe, templates } = parts;

  async function save(id: string, { memory }: TemplatePlaces): Promise<SaveFormat> {
    // libvirt writes the beginning that is looked for here when all else is written.
    const isSaved = async (vm: Domain | null) => vm !== null && isOff(vm) && (await isWhole(memory));
    const to = ['save', vmName(id), memory];
    const timeoutMs = saveMs;
    try {
      await change(id, [...to, '--image-format', 'sparse', ...channels], isSaved, { timeoutMs });
      return 'sparse';
    } catch (error) {
      if (!isFleetError(error, 'command_failed') || !/unsupported|unknown|invalid|doesn't support/i.test(error.message))
        throw error;
    }
    await rm(memory, { force: true });
    await change(id, to, isSaved, { timeoutMs });
    return 'plain';
  }

  async function dump(id: string): Promise<string> {
    const xml = await virsh(['dumpxml', vmName(id), '--inactive', '--migratable']);
    try {
      readMark(xml);
    } catch (cause) {
      throw garbled('dumpxml', cause);
    }
    return xml;
  }

  async function restore(id: string, { places, format }: FoundTemplate): Promise<void> {
    const { head } = vmPlaces(paths, id);
    const lock = ['flock', '--no-fork', '-w', String(lockSeconds), places.lock];
    const under = [...lock, 'sh', '-c', replaceAndRun, 'sh', head, places.memory];
    const argv = ['restore', places.memory, ...(format === 'sparse' ? channels : [])];
    await change(id, argv, (vm) => vm?.state === 'running', { timeoutMs: restoreMs, under });
  }

  return {
    async saveTemplate(id, base) {
      const domain = (await observe()).get(id);
      if (!domain?.isOurs) throw new FleetError('not_found', `There is no VM \`${id}\`.`);
      if (domain.state !== 'running' && (await templates.find(base, true)) !== null) return;
      if (domain.state !== 'running') {
        throw new FleetError(
          'vm_not_ready',
          `VM \`${id}\` is ${domain.state}; a template is saved from a running one.`,
        );
      }
      await assertRoom(paths.images, base.size.memoryMiB);
      await templates.add(base, async (aside) => {
        const format = await save(id, aside);
        await writeFile(aside.head, await readHead(aside.memory), { mode: 0o600 });
        await overlays.copy(vmPlaces(paths, id).disk, aside.disk);
        return format;
      });
    },

    async fork(spec) {
      const { id } = spec;
      const domain = (await observe()).get(id);
      if (domain && !domain.isOurs) {
        throw new FleetError('refused', `Cannot fork VM \`${id}\`: \`${vmName(id)}\` exists and is not ours.`);
      }
      const template = await templates.find(spec, true);
      if (template === null) {
        throw new FleetError('not_found', `Cannot fork VM \`${id}\`: no template of disk \`${spec.disk}\` fits.`);
      }
      await parts.remove(id);
      const { folder, head } = vmPlaces(paths, id);
      await mkdir(folder, { recursive: true });
      await templates.lease(template.places, id, folder);
      await parts.create({ ...spec, base: template.places.disk });
      const xml = await dump(id);
      await writeFile(head, replaceDomain(await readHead(template.places.head), xml), { mode: 0o600 });
      await restore(id, template);
      await rm(head, { force: true });
    },
  };
}

function isWhole(memory: string): Promise<boolean> {
  return readHead(memory).then(
    () => true,
    () => false,
  );
}

async function readHead(file: string): Promise<Uint8Array> {
  const handle = await open(file, 'r');
  try {
    const start = Buffer.alloc(saveFileStartBytes);
    await handle.read(start, 0, start.length, 0);
    const head = Buffer.alloc(headBytes(start));
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    if (bytesRead === head.length) return head;
  } finally {
    await handle.close();
  }
  throw new FleetError('storage', `The head of \`${file}\` is cut off.`);
}

/** Memory that is in use is written whole, beside what the fleet needs anyway. */
async function assertRoom(folder: string, memoryMiB: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = Math.floor((bavail * bsize) / mib);
  if (free >= memoryMiB + spareMiB) return;
  throw new FleetError('storage', `A template takes up to ${memoryMiB} MiB in \`${folder}\`; ${free} MiB are free.`);
}
