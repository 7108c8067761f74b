import { isReplayOpen, type Replay, type ReplayRun, runsToMake } from '../../domain/replay.ts';
import type { Vm } from '../../domain/vm.ts';
import { maxInfraRuns } from './checks.ts';
import { isGivenUp } from './disks.ts';
import { needVm, needWorkspace, type Pass } from './need-vm.ts';
import { diskOf, type World } from './world.ts';

/**
 * Replays: prepared (repository, disk), then each recorded variant run once in one clean VM, then compared. They go on whatever the fleet
 * is asked to be, and have the room that tasks leave.
 */
export function planReplays(pass: Pass): void {
  for (const replay of pass.world.replays) {
    if (!isReplayOpen(replay)) planTidy(pass, replay);
    else if (replay.phase === 'wanted') {
      const reason = 'what it runs on is settled first';
      pass.to.step('prepare_replay', `replay:${replay.id}`, reason, { replay: replay.id });
    } else planRunning(pass, replay);
  }
}

function planRunning(pass: Pass, replay: Replay): void {
  const key = `replay:${replay.id}`;
  if (diskOf(pass.world, replay.disk) === null) {
    pass.to.step('prepare_replay', key, 'its disk was removed', { replay: replay.id });
    return;
  }
  const open = replay.runs.find((run) => run.phase === 'running');
  if (open !== undefined) {
    planRun(pass, replay, open);
    return;
  }
  const next = runsToMake(replay).find(
    ({ variant }) => !replay.runs.some((run) => run.variant === variant && run.phase === 'ended'),
  );
  const failure = next === undefined ? null : whyHopeless(pass.world, replay);
  if (next === undefined || failure !== null) {
    const phase = failure === null ? 'ended' : 'failed';
    pass.to.step('end_replay', key, failure ?? 'all of it has run', { replay: replay.id, phase, reason: failure });
    return;
  }
  const vm = needVm(pass, replay, 'replay', null);
  if (vm === null) return;
  if (!isClean(replay, vm)) {
    pass.to.step('release_vm', `vm:${vm.id}`, 'not clean any more', { vm: vm.id });
    return;
  }
  if (!needWorkspace(pass, { ...replay, services: replay.recorded.services }, vm, 'work', replay.commit)) return;
  const { variant } = next;
  pass.to.step('start_replay', key, `does it come to the same ${variant}?`, { replay: replay.id, vm: vm.id, variant });
}

function planRun({ world, to }: Pass, replay: Replay, run: ReplayRun): void {
  const vm = world.vms.find((each) => each.id === run.vm);
  const end = (why: string, lost: boolean) =>
    to.step('end_replay_run', `replay:${replay.id}`, why, { replay: replay.id, job: run.job, vm: run.vm, lost, why });
  if (vm === undefined || (vm.phase !== 'ready' && vm.phase !== 'paused')) {
    end(`its VM is ${vm?.phase ?? 'gone'}`, true);
    return;
  }
  const guest = world.observed.guests.get(vm.id);
  if (guest === undefined || !guest.ok) {
    to.wait(replay.id, `cannot ask rf-${vm.id} how its checks are`);
    return;
  }
  const job = guest.jobs.get(run.job);
  if (job === undefined || job.state === 'lost') end('the guest lost it', true);
  else if (job.state === 'ended') end('the checks ended', false);
  else to.wait(replay.id, `its checks run in rf-${vm.id}`);
}

function whyHopeless(world: World, replay: Replay): string | null {
  if (replay.attempts >= maxInfraRuns) return `${replay.attempts} VMs were lost under it`;
  const disk = diskOf(world, replay.disk);
  const failed = [disk, diskOf(world, disk?.backing ?? null)].find((one) => one !== null && isGivenUp(one));
  return failed ? `its disk could not be made: ${failed.failure ?? 'no reason known'}` : null;
}

/** Nothing ran in it but this replay. */
function isClean({ commit }: Replay, vm: Vm): boolean {
  const seeded = vm.seeded['work'];
  return !vm.touched && (seeded === undefined || seeded === commit);
}

/** Once its VMs are gone: first the disk that was made for it alone, then its repository. */
function planTidy({ world, to }: Pass, replay: Replay): void {
  const isHeld =
    world.vms.some((vm) => vm.task === replay.id || vm.project === replay.id) ||
    world.disks.some((disk) => disk.project === replay.id && disk.phase === 'leaving');
  if (!isHeld) to.step('tidy_replay', `replay:${replay.id}`, 'it is over', { replay: replay.id });
}
