import { sayMiB } from '../../domain/host.ts';
import type { PreflightCheck } from '../preflight.ts';

const fix = 'ralph-fleet doctor --fix';
const mib = 1024 * 1024;

export const cacheCheck: PreflightCheck = {
  id: 'cache',
  title: 'images, templates',
  why: 'VMs start from them; what is missing is made again, which takes minutes',
  async run({ upkeep }) {
    const { images, prepared, templates, bytes, hollow } = await upkeep.cache();
    const counts = [count(images, 'image'), count(prepared, 'prepared disk'), count(templates, 'template')];
    const found = `${counts.join(', ')}, ${sayMiB(bytes / mib)}`;
    if (hollow.length === 0) return { state: 'ok', found };
    return {
      state: 'warn',
      found: `${found}; without a disk: ${hollow.map(({ key }) => key).join(', ')}`,
      remedy: fix,
      mends: hollow.map(({ key, remove }) => ({
        what: `remove what is left of the image ${key}`,
        run: () => remove().then(() => 'removed; it is built again when it is needed'),
      })),
    };
  },
};

export const leftoversCheck: PreflightCheck = {
  id: 'leftovers',
  title: 'leftovers',
  why: 'what killed processes left half made takes room',
  deadlineMs: 30_000,
  async run({ upkeep }) {
    const left = await upkeep.leftovers();
    if (left.length === 0) return { state: 'ok', found: 'none' };
    const bytes = left.reduce((sum, item) => sum + item.sizeBytes, 0);
    return {
      state: 'warn',
      found: `${count(left.length, 'file')} or folders, ${sayMiB(bytes / mib)}: ${left[0]?.name}${left.length > 1 ? ', …' : ''}`,
      remedy: fix,
      mends: left.map(({ name, why, sizeBytes, remove }) => ({
        what: `remove ${name} (${why}, ${sayMiB(sizeBytes / mib)})`,
        run: () => remove().then(() => 'removed'),
      })),
    };
  },
};

export const privacyCheck: PreflightCheck = {
  id: 'privacy',
  title: 'keys',
  why: 'who may read them may log in to the VMs, or spend your money',
  async run({ upkeep }) {
    const open = await upkeep.readableByOthers();
    if (open.length === 0) return { state: 'ok', found: 'readable for you alone' };
    return {
      state: 'warn',
      found: `others on this host may read ${open.map(({ path }) => path).join(', ')}`,
      remedy: fix,
      mends: open.map(({ path, close }) => ({
        what: `take ${path} away from others`,
        run: () => close().then(() => 'readable for you alone'),
      })),
    };
  },
};

/** The daemon removes by itself what nothing asked for; without its database nobody ever will. */
export const orphansCheck: PreflightCheck = {
  id: 'vms',
  title: 'VMs',
  why: 'one that no daemon knows runs on and takes room',
  deadlineMs: 60_000,
  async run({ driver, host, paths }) {
    const { list } = await driver().catch(() => ({ list: undefined }));
    const vms = await list?.().catch(() => null);
    if (!vms) return { state: 'skip', found: 'unknown while the driver does not answer' };
    const found = vms.length === 0 ? 'none of this fleet' : `${count(vms.length, 'VM')} of this fleet`;
    if (vms.length === 0 || (await host.exists(paths.fleetDb))) return { state: 'ok', found };
    return {
      state: 'warn',
      found: `${found}, and no database knows of them: ${vms.map(({ id }) => `rf-${id}`).join(', ')}`,
      remedy: 'ralph-fleet daemon start      (it removes what nothing asked for)',
    };
  },
};

/** A daemon removes by itself what policy lets go of, and finishes or removes what was cut off. */
export const snapshotsCheck: PreflightCheck = {
  id: 'snapshots',
  title: 'snapshots',
  why: 'each is a copy of what its VM wrote, and takes room',
  async run({ driver, host, paths }) {
    const { space } = await driver().catch(() => ({ space: undefined }));
    const kept = await space?.().catch(() => null);
    if (!kept) return { state: 'skip', found: 'unknown while the driver does not answer' };
    const sizes = [...kept.snapshots.values()];
    const whole = sizes.filter((bytes) => bytes !== null);
    const bytes = whole.reduce((sum, one) => sum + one, 0);
    const found = sizes.length === 0 ? 'none' : `${count(whole.length, 'snapshot')}, ${sayMiB(bytes / mib)}`;
    const halves = sizes.length - whole.length;
    const isKnown = await host.exists(paths.fleetDb);
    if (sizes.length === 0 || (halves === 0 && isKnown)) return { state: 'ok', found };
    const what = isKnown ? `${count(halves, 'copy', 'copies')} cut off` : 'no database knows of them';
    return { state: 'warn', found: `${found}; ${what}`, remedy: 'ralph-fleet daemon start      (it tidies them up)' };
  },
};

function count(n: number, one: string, many = `${one}s`): string {
  return n === 1 ? `1 ${one}` : `${n} ${many}`;
}
