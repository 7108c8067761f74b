import type { Disk } from '../../domain/disk.ts';
import { sayPressure } from '../../domain/pressure.ts';
import type { Vm } from '../../domain/vm.ts';
import { backoffMs } from '../../lib/backoff.ts';
import type { Pass } from './need-vm.ts';
import { diskOf, isForReplay, isUsable } from './world.ts';

const maxBuilds = 3;

/** Images and prepared disks: built when a task or `up` wants them, tried again with backoff, then left failed with the reason. */
export function planDisks(pass: Pass): void {
  for (const disk of pass.world.disks) {
    if (disk.phase === 'leaving') planLeaving(pass, disk);
    if (disk.phase === 'ready' || disk.phase === 'leaving') continue;
    if (pass.world.desire !== 'up' && disk.kind !== 'image' && !isForReplay(pass.world, disk.key)) continue;
    const pressure = pass.world.observed.host?.pressure ?? null;
    if (pressure?.of === 'disk') {
      pass.to.wait(disk.key, sayPressure(pressure));
      continue;
    }
    if (disk.phase === 'failed') {
      retryLater(pass, disk);
      continue;
    }
    if (disk.kind === 'image') {
      pass.to.step('build_image', `disk:${disk.key}`, 'VMs need an image to start from', { disk: disk.key });
    } else {
      planPrepared(pass, disk);
    }
  }
}

/** Nothing stands on it any more: no VM, no snapshot of one, and for an image no prepared disk. */
function planLeaving({ world, to }: Pass, disk: Disk): void {
  const vm = world.vms.find((each) => each.disk === disk.key || each.prepares === disk.key);
  const snapshot = world.snapshots.find((each) => each.disk === disk.key);
  const above = world.disks.find((each) => each.backing === disk.key);
  if (vm !== undefined) to.wait(disk.key, `is removed once rf-${vm.id} is gone`);
  else if (snapshot !== undefined) to.wait(disk.key, `is removed once the snapshot s-${snapshot.id} is gone`);
  else if (above !== undefined) to.wait(disk.key, `is removed once the prepared disk ${above.key} is gone`);
  else to.step('drop_disk', `disk:${disk.key}`, 'nobody needs it any more', { disk: disk.key });
}

/** Tried often enough; a person's retry starts afresh. */
export function isGivenUp(disk: Disk): boolean {
  return disk.phase === 'failed' && disk.attempts >= maxBuilds;
}

function retryLater(pass: Pass, disk: Disk): void {
  const { world, to } = pass;
  if (isGivenUp(disk)) {
    to.wait(disk.key, `failed ${disk.attempts} times: ${disk.failure ?? 'no reason known'}`);
    return;
  }
  const at = disk.since + backoffMs(disk.attempts, 5_000, 60_000);
  if (world.now < at) to.wait(disk.key, `failed, tried again soon: ${disk.failure ?? ''}`);
  else if (disk.kind === 'image')
    to.step('build_image', `disk:${disk.key}`, 'the last build failed', { disk: disk.key });
  else planPrepared(pass, disk);
}

/** An agent-free VM on the image runs the project's setup; its disk is then sealed. */
function planPrepared(pass: Pass, disk: Disk): void {
  const { world, to } = pass;
  const image = diskOf(world, disk.backing);
  if (image?.phase !== 'ready') {
    to.wait(disk.key, `waits for the image: ${image?.progress ?? image?.phase ?? 'not asked for'}`);
    return;
  }
  const vm = setupVm(pass, disk);
  if (vm === null) {
    if (!pass.room.take('setup')) to.wait(disk.key, 'waits for room for a setup VM');
    else {
      to.step('request_vm', `disk:${disk.key}`, `the setup of ${disk.project} runs in a VM no agent touches`, {
        purpose: 'setup',
        project: disk.project,
        task: null,
        ralph: null,
        disk: image.key,
        prepares: disk.key,
        warm: null,
        way: 'boot',
      });
    }
    return;
  }
  planSetupJob(pass, disk, vm);
}

function planSetupJob(pass: Pass, disk: Disk, vm: Vm): void {
  const { world, to } = pass;
  if (vm.phase === 'stopped' || vm.phase === 'stopping') {
    // Only a finished setup is stopped while the fleet is up.
    to.step('seal_disk', `disk:${disk.key}`, 'the setup passed', { disk: disk.key, vm: vm.id });
    return;
  }
  if (vm.phase !== 'ready') {
    to.wait(disk.key, `waits for its setup VM rf-${vm.id}, which is ${vm.phase}`);
    return;
  }
  const commit = disk.commit ?? '';
  if (vm.seeded['work'] !== commit) {
    to.step('seed_workspace', `vm:${vm.id}`, 'the setup needs the base commit', {
      vm: vm.id,
      project: disk.project ?? '',
      commit,
      folder: 'work',
      services: [],
    });
    return;
  }
  const guest = world.observed.guests.get(vm.id);
  if (guest === undefined || !guest.ok) {
    to.wait(disk.key, 'waits for the setup VM to answer');
    return;
  }
  const job = guest.jobs.get(setupJobId(vm.id));
  if (job === undefined)
    to.step('start_setup', `disk:${disk.key}`, 'the workspace is in place', { disk: disk.key, vm: vm.id });
  else if (job.state === 'running') to.wait(disk.key, 'its setup runs');
  else to.step('seal_disk', `disk:${disk.key}`, 'the setup ended', { disk: disk.key, vm: vm.id });
}

function setupVm(pass: Pass, disk: Disk): Vm | null {
  return pass.world.vms.find((v) => v.purpose === 'setup' && v.prepares === disk.key && isUsable(v)) ?? null;
}

export function setupJobId(vm: string): string {
  return `su-${vm}`;
}
