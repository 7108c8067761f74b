import { adviseSize } from '../../domain/fit.ts';
import { ballastMiB, keptDiskMiB } from '../../domain/host.ts';
import type { Iteration } from '../../domain/iteration.ts';
import { sayPressure } from '../../domain/pressure.ts';
import type { Vm } from '../../domain/vm.ts';
import { holdingBack, isFresh } from './held.ts';
import type { Pass } from './need-vm.ts';
import { isForLater } from './room.ts';
import type { World } from './world.ts';

/**
 * A host that is short of room: VMs are frozen before its disk is full or its memory gone, each once its work is saved on the host,
 * and thawed when there is room again. Frozen they take nothing more, and what is in them stays in them.
 */

/**
 * Freezes and thaws a VM that runs. `isKept`: it is to go on working; one that is to go down is thawed for its work to be saved. True
 * when nothing else is to be done about it now.
 */
export function planHold(pass: Pass, vm: Vm, isKept: boolean): boolean {
  const { world, to } = pass;
  const pressure = isKept && !isForLater(vm.purpose) ? holdingBack(world) : null;
  const { driver } = world.observed;
  const isFrozen = vm.phase === 'paused';
  if (pressure === null) {
    if (isFrozen)
      to.step('resume_vm', `vm:${vm.id}`, isKept ? 'there is room again' : 'its work is to be saved', { vm: vm.id });
    return isFrozen;
  }
  const why = sayPressure(pressure);
  if (isFrozen && driver.ok && driver.vms.get(vm.id)?.state === 'paused') {
    to.wait(vm.id, `it is frozen: ${why}`);
    return true;
  }
  const open = world.iterations.filter((it) => it.vm === vm.id && it.phase !== 'ended');
  if (pressure.level !== 'gone' && !open.every((iteration) => mayFreeze(world, iteration))) return false;
  to.step('hold_vm', `vm:${vm.id}`, pressure.what, { vm: vm.id, why });
  return true;
}

/** Its work is on the host already, or there is none. What has just ended is taken to the host first. */
function mayFreeze(world: World, iteration: Iteration): boolean {
  const guest = world.observed.guests.get(iteration.vm);
  const job = guest?.ok ? guest.jobs.get(iteration.id) : undefined;
  return job === undefined || (job.state === 'running' && isFresh(world, iteration));
}

/** Freed while the disk it stands on is short, so that work can still be saved; made again once there is room for it. */
export function planBallast({ world, to }: Pass): void {
  const { host } = world.observed;
  const disk = host?.disks.find(({ uses }) => uses.includes('state'));
  if (host == null || disk === undefined) return;
  const keep = world.config.host;
  const keptMiB = keptDiskMiB(keep);
  if (host.hasBallast && disk.freeMiB < keptMiB) to.step('free_ballast', 'ballast', 'the disk fills', {});
  else if (!host.hasBallast && world.desire === 'up' && disk.freeMiB >= keptMiB + 2 * ballastMiB(keep))
    to.step('make_ballast', 'ballast', 'so that work can be saved when the disk is full', { mib: ballastMiB(keep) });
}

/** What fleet.yaml asks for and the host has not. */
export function sayWhatFits({ world, to }: Pass): void {
  const { host, accel } = world.observed;
  if (world.desire !== 'up' || !host?.memory) return;
  const found = adviseSize(world.config, { memoryMiB: host.memory.totalMiB, cores: host.cores }, accel);
  if (found !== null) to.wait('host', found.advice);
}
