import { adviseSize, furtherVms } from '../../domain/fit.ts';
import { keptDiskMiB, sayMiB } from '../../domain/host.ts';
import type { PreflightCheck } from '../preflight.ts';

/** An image, its build folder, and the overlays' first growth. */
const imageMiB = 3072;
const firstGrowthMiB = 1024;

export const memoryCheck: PreflightCheck = {
  id: 'memory',
  title: 'memory',
  why: 'the host is never overcommitted: a VM that does not fit waits',
  async run({ host, wanted }) {
    const memory = await host.memory();
    const { totalMiB, availableMiB } = memory;
    const look = { cores: host.cores, memory: { ...memory, stalledPercent: null }, disks: [], hasBallast: true };
    const room = Math.max(0, furtherVms(look, wanted, [], null).vms);
    const found = `${sayMiB(totalMiB)}, ${sayMiB(availableMiB)} free: room for ${count(room)} of ${sayMiB(wanted.vms.size.memoryMiB)}, ${wanted.atOnce} asked`;
    const size = adviseSize(wanted, { memoryMiB: totalMiB, cores: host.cores }, null);
    const smaller = size?.advice ?? 'close something, or ask for less: `vms` in fleet.yaml';
    if (room === 0) return { state: 'fail', found, remedy: smaller };
    if (room < wanted.atOnce) return { state: 'warn', found: `${found}; the others wait`, remedy: smaller };
    return size === null ? { state: 'ok', found } : { state: 'warn', found, remedy: size.advice };
  },
};

export const diskCheck: PreflightCheck = {
  id: 'disk',
  title: 'disk',
  why: 'images, VM disks and transcripts live there; work is never written to a full disk',
  async run({ host, paths, wanted }) {
    const neededMiB = imageMiB + wanted.atOnce * firstGrowthMiB + keptDiskMiB(wanted.host);
    const places = await Promise.all(
      [paths.images, paths.vms, paths.state].map((path) => host.freeDiskMiB(path).then((free) => ({ path, free }))),
    );
    const tight = places.toSorted((a, b) => a.free - b.free)[0];
    if (tight === undefined) return { state: 'skip', found: 'unknown' };
    const found = `${sayMiB(tight.free)} free, ${sayMiB(neededMiB)} needed`;
    if (tight.free < neededMiB) {
      return {
        state: 'fail',
        found: `${found} at ${tight.path}`,
        remedy: `free some space: ralph-fleet gc; old images are in ${paths.images}`,
      };
    }
    if (tight.free < wanted.atOnce * wanted.vms.size.diskGiB * 1024) {
      return { state: 'warn', found: `${found}; not enough if every VM fills its ${wanted.vms.size.diskGiB} GiB` };
    }
    return { state: 'ok', found };
  },
};

function count(vms: number): string {
  return vms === 1 ? '1 VM' : `${vms} VMs`;
}
