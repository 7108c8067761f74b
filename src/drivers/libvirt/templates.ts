import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { isAlive } from '../../lib/alive.ts';
import type { Clock } from '../../lib/clock.ts';
import { FleetError } from '../../lib/errors.ts';
import type { Exec } from '../../lib/exec.ts';
import type { Log } from '../../lib/log.ts';
import type { VmBase } from '../driver.ts';
import type { Accel } from './accel.ts';
import { type Fingerprint, fingerprintKey, type HostFacts, readFingerprint, readHostFacts } from './fingerprint.ts';
import { type TemplatePlaces, templatePlaces } from './places.ts';
import type { Virsh } from './virsh.ts';

/**
 * The templates in the cache: a folder each, named by the fingerprint of all they fit to, so that who looks for what is true now
 * finds nothing else. A folder is filled aside and renamed into place, and never changed again but for the head of its memory. What is
 * forked from one leases it: its disk stays as long as a VM stands on it.
 */
export interface TemplateStore {
  /** The template that fits, or null. `fresh` asks libvirt anew what it is. */
  find(base: VmBase, fresh: boolean): Promise<FoundTemplate | null>;
  /** Lets `fill` make memory, head and disk of a template, and puts it in place. */
  add(base: VmBase, fill: (aside: TemplatePlaces) => Promise<SaveFormat>): Promise<void>;
  /** Nothing is forked from it any more. */
  drop(base: VmBase): Promise<void>;
  idle(wanted: readonly VmBase[]): Promise<{ name: string; sizeBytes: number }[]>;
  remove(name: string): Promise<void>;
  /** `folder`: as long as that is there, so is the lease. */
  lease(template: TemplatePlaces, id: string, folder: string): Promise<void>;
  /** A copy of what `of` has leased stands on the same template, if any. */
  leaseLike(of: string, id: string, folder: string): Promise<void>;
  release(id: string): Promise<void>;
  isLeasedBy(id: string): Promise<boolean>;
}

export interface FoundTemplate {
  places: TemplatePlaces;
  format: SaveFormat;
}

/** How the memory was saved: `sparse` is read by several channels at once, `plain` is whatever an older libvirt does. */
export const saveFormats = ['sparse', 'plain'] as const;
export type SaveFormat = (typeof saveFormats)[number];

export interface TemplateStoreParts {
  /** Folder of the templates. */
  root: string;
  exec: Exec;
  virsh: Virsh;
  clock: Clock;
  log: Log;
  accel: () => Promise<Accel>;
}

/** `about.json`; the fingerprint is for people, its digest is the folder's name. */
const aboutSchema = z.object({ version: z.literal(1), format: z.enum(saveFormats), fingerprint: z.looseObject({}) });

/** How long libvirt is taken to be the same, where only a look depends on it. */
const factsMs = 60_000;
/** Templates that nothing stands on are kept up to this many, the last used ones. */
const keptUnused = 4;
/** No save takes this long: what is older and unfinished was cut off. */
const abandonedMs = 3_600_000;
/** Hexadecimal digits of the fingerprint in a folder's name. */
const keyLength = 16;
const wholeName = /^[0-9a-f]{16}-[0-9a-f]{8}$/;
const asideName = /^\.[0-9a-f]{16}-[0-9a-f]{8}\.(\d+)$/;

export function createTemplateStore(parts: TemplateStoreParts): TemplateStore {
  const { root, clock } = parts;
  let known: { facts: HostFacts; at: number } | null = null;
  let isSwept = false;

  async function fingerprintOf(base: VmBase, fresh: boolean): Promise<Fingerprint> {
    if (known === null || fresh || clock.now() - known.at > factsMs) {
      known = { facts: await readHostFacts(parts.virsh), at: clock.now() };
    }
    return readFingerprint(base, await parts.accel(), known.facts);
  }

  async function find(base: VmBase, fresh: boolean): Promise<FoundTemplate | null> {
    // Once: what a daemon that was killed left behind.
    if (!isSwept) await removeCutOff(parts);
    isSwept = true;
    const key = await fingerprintOf(base, fresh).then(fingerprintKey, noBase);
    for (const folder of key === null ? [] : await foldersIn(root)) {
      if (!basename(folder).startsWith(`${key}-`)) continue;
      const places = templatePlaces(folder);
      const about = aboutSchema.safeParse(parse(await readFile(places.about, 'utf8').catch(() => '')));
      if (about.success && (await isThere(places.memory))) return { places, format: about.data.format };
    }
    return null;
  }

  return {
    find,

    async add(base, fill) {
      const fingerprint = await fingerprintOf(base, true);
      const name = `${fingerprintKey(fingerprint)}-${randomBytes(4).toString('hex')}`;
      await mkdir(root, { recursive: true, mode: 0o755 });
      await removeCutOff(parts);
      const aside = templatePlaces(join(root, `.${name}.${process.pid}`));
      await mkdir(aside.folder, { mode: 0o711 });
      try {
        const format = await fill(aside);
        await pointAt(parts.exec, aside.disk, base.base);
        await mkdir(aside.leases, { mode: 0o700 });
        await writeFile(aside.lock, '', { mode: 0o600 });
        const about = { version: 1, format, fingerprint: { ...fingerprint } } satisfies z.infer<typeof aboutSchema>;
        await writeFile(aside.about, `${JSON.stringify(about, null, 2)}\n`);
        for (const file of [aside.memory, aside.head, aside.disk, aside.about, aside.folder]) await flush(file);
        await rename(aside.folder, join(root, name));
        await flush(root);
      } finally {
        await rm(aside.folder, { recursive: true, force: true });
      }
      await prune(parts);
    },

    async drop(base) {
      const found = await find(base, false);
      if (found !== null) await rm(found.places.memory, { force: true });
      await prune(parts);
    },

    async idle(wanted) {
      const keys = await Promise.all(wanted.map((base) => fingerprintOf(base, false).then(fingerprintKey, noBase)));
      const found: { name: string; sizeBytes: number }[] = [];
      for (const folder of await foldersIn(root)) {
        const places = templatePlaces(folder);
        const name = basename(folder);
        if (!wholeName.test(name) || (await isLeased(places))) continue;
        if (keys.includes(name.slice(0, keyLength)) && (await isThere(places.memory))) continue;
        const sizes = [places.memory, places.head, places.disk].map((file) => stat(file).catch(() => null));
        const sizeBytes = (await Promise.all(sizes)).reduce((sum, file) => sum + (file?.blocks ?? 0) * 512, 0);
        found.push({ name, sizeBytes });
      }
      return found;
    },

    async remove(name) {
      if (!wholeName.test(name))
        throw new FleetError('bug', `The template \`${name}\` is not removed: that is no name of one.`);
      const folder = join(root, name);
      if ((await isThere(folder)) && !(await isLeased(templatePlaces(folder)))) await takeAway(parts, folder);
    },

    async leaseLike(of, id, folder) {
      for (const { leases } of (await foldersIn(root)).map(templatePlaces)) {
        if (await isThere(join(leases, of))) await writeFile(join(leases, id), `${folder}\n`);
      }
    },

    async lease(template, id, folder) {
      await writeFile(join(template.leases, id), `${folder}\n`);
      const now = new Date(clock.now());
      await utimes(template.about, now, now);
    },

    async release(id) {
      for (const folder of await foldersIn(root)) {
        const { leases, memory } = templatePlaces(folder);
        if (!(await isThere(join(leases, id)))) continue;
        await rm(join(leases, id));
        // The last one that stood on a dropped template.
        if (!(await isThere(memory))) await prune(parts);
      }
    },

    async isLeasedBy(id) {
      const leases = (await foldersIn(root)).map((folder) => join(templatePlaces(folder).leases, id));
      return (await Promise.all(leases.map(isThere))).includes(true);
    },
  };
}

/** Without its base there is no template. */
function noBase(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  throw error;
}

/** The backing file is named from where the disk stands: the cache may be moved as a whole. */
async function pointAt(exec: Exec, disk: string, base: string): Promise<void> {
  const way = relative(dirname(disk), base);
  await exec(['qemu-img', 'rebase', '-q', '-u', '-b', way, '-F', 'qcow2', disk], { timeoutMs: 30_000 });
}

/** Unfinished ones of processes that are no more. */
async function removeCutOff({ root, clock }: TemplateStoreParts): Promise<void> {
  for (const folder of await foldersIn(root)) {
    const pid = asideName.exec(basename(folder))?.[1];
    const since = (await stat(folder).catch(() => null))?.mtimeMs ?? 0;
    const isCutOff = pid !== undefined && (clock.now() - since > abandonedMs || !isAlive(Number(pid)));
    if (isCutOff) await rm(folder, { recursive: true, force: true });
  }
}

/** Of those that nothing stands on, the broken ones and the longest unused beyond a few go. */
async function prune(parts: TemplateStoreParts): Promise<void> {
  const { root } = parts;
  const unused: { folder: string; usedAt: number }[] = [];
  for (const folder of await foldersIn(root)) {
    const places = templatePlaces(folder);
    if (!wholeName.test(basename(folder)) || (await isLeased(places))) continue;
    const [about, hasMemory] = [await stat(places.about).catch(() => null), await isThere(places.memory)];
    unused.push({ folder, usedAt: about !== null && hasMemory ? about.mtimeMs : 0 });
  }
  const lastUsedFirst = unused.toSorted((a, b) => b.usedAt - a.usedAt);
  for (const [n, { folder, usedAt }] of lastUsedFirst.entries()) {
    if (n < keptUnused && usedAt > 0) continue;
    await takeAway(parts, folder);
  }
}

async function takeAway({ root, log }: TemplateStoreParts, folder: string): Promise<void> {
  const aside = join(root, `.${basename(folder)}.${process.pid}`);
  await rename(folder, aside);
  // Who leased it in this moment has it back; who comes now finds it gone, and boots.
  if (await isLeased(templatePlaces(aside))) await rename(aside, folder);
  else await rm(aside, { recursive: true, force: true });
  log.info({ driver: 'libvirt', template: basename(folder) }, 'a template that nothing stands on goes');
}

/** A lease of a VM or snapshot whose folder is no more counts for nothing. */
async function isLeased(template: TemplatePlaces): Promise<boolean> {
  for (const id of await readdir(template.leases).catch(() => [])) {
    const holder = (await readFile(join(template.leases, id), 'utf8').catch(() => '')).trim();
    if (holder === '' || (await isThere(holder))) return true;
    await rm(join(template.leases, id), { force: true });
  }
  return false;
}

async function foldersIn(root: string): Promise<string[]> {
  const found = await readdir(root, { withFileTypes: true }).catch(() => []);
  return found.filter((entry) => entry.isDirectory()).map((entry) => join(root, entry.name));
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
