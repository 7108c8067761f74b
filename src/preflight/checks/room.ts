import type { PreflightCheck } from '../preflight.ts';

/** What QEMU, the daemon and the gateway take beside the guests' memory. */
const overheadPerVmMiB = 200;
const reserveMiB = 1024;
/** An image, its build folder, and the overlays' first growth. */
const imageMiB = 3072;
const firstGrowthMiB = 1024;

export const memoryCheck: PreflightCheck = {
  id: 'memory',
  title: 'memory',
  why: 'the host is never overcommitted: a VM that does not fit waits',
  async run({ host, wanted }) {
    const { totalMiB, availableMiB } = await host.memory();
    const perVmMiB = wanted.memoryMiB + overheadPerVmMiB;
    const room = Math.max(0, Math.floor((availableMiB - reserveMiB) / perVmMiB));
    const found = `${gib(totalMiB)}, ${gib(availableMiB)} free: room for ${count(room)} of ${gib(wanted.memoryMiB)}, ${wanted.vms} asked`;
    if (room >= wanted.vms) return { state: 'ok', found };
    const smaller = 'close something, or ask for less: `vms` in fleet.yaml';
    return room === 0
      ? { state: 'fail', found, remedy: smaller }
      : { state: 'warn', found: `${found}; the others wait`, remedy: smaller };
  },
};

export const diskCheck: PreflightCheck = {
  id: 'disk',
  title: 'disk',
  why: 'images, VM disks and transcripts live there; work is never written to a full disk',
  async run({ host, paths, wanted }) {
    const neededMiB = imageMiB + wanted.vms * firstGrowthMiB;
    const places = await Promise.all(
      [paths.images, paths.vms, paths.state].map((path) => host.freeDiskMiB(path).then((free) => ({ path, free }))),
    );
    const tight = places.toSorted((a, b) => a.free - b.free)[0];
    if (tight === undefined) return { state: 'skip', found: 'unknown' };
    const found = `${gib(tight.free)} free, ${gib(neededMiB)} needed`;
    if (tight.free < neededMiB) {
      return {
        state: 'fail',
        found: `${found} at ${tight.path}`,
        remedy: `free some space; old images are in ${paths.images}`,
      };
    }
    if (tight.free < wanted.vms * wanted.diskGiB * 1024) {
      return { state: 'warn', found: `${found}; not enough if every VM fills its ${wanted.diskGiB} GiB` };
    }
    return { state: 'ok', found };
  },
};

function count(vms: number): string {
  return vms === 1 ? '1 VM' : `${vms} VMs`;
}

function gib(mib: number): string {
  const value = mib / 1024;
  return `${value >= 10 ? Math.floor(value) : Math.round(value * 10) / 10} GiB`;
}
