import type { Iteration } from '../../domain/iteration.ts';
import { sayPressure } from '../../domain/pressure.ts';
import type { Vm } from '../../domain/vm.ts';
import { holdingBack, isFresh } from './held.ts';
import type { Pass } from './need-vm.ts';
import { seenOf } from './seen.ts';
import type { JobSeen, World } from './world.ts';

const saveEveryMs = 180_000;
/** What an agent needs before and after a check that it runs. */
const aroundCheckMs = 60_000;
/** What cannot be started for this long (a full disk, a gateway that does not come) has failed; it does not count for the task. */
const launchPatienceMs = 600_000;

/**
 * Every open iteration: launched, read, saved now and then, and ended exactly once. Whatever happens to the task, the fleet or
 * the VM, it goes through `end_iteration`, which brings its work to the host first.
 */
export function planIterations(pass: Pass): void {
  for (const iteration of pass.world.iterations) {
    if (iteration.phase !== 'ended') planOpen(pass, iteration);
  }
}

function planOpen(pass: Pass, iteration: Iteration): void {
  const { world, to } = pass;
  const key = `it:${iteration.id}`;
  const end = (why: string, how: { stop?: boolean; silent?: boolean; vmLost?: boolean } = {}) =>
    to.step('end_iteration', key, why, {
      iteration: iteration.id,
      vm: iteration.vm,
      stop: how.stop ?? false,
      silent: how.silent ?? false,
      vmLost: how.vmLost ?? false,
      why,
    });
  const vm = world.vms.find((v) => v.id === iteration.vm);
  if (vm === undefined || vm.phase === 'failed' || vm.phase === 'deleting' || vm.phase === 'gone') {
    const lost = iteration.role === 'implementer' ? ', what it had not saved is lost' : '';
    end(`its VM is ${vm?.phase ?? 'gone'}${lost}${vm?.failure ? `: ${vm.failure}` : ''}`, { vmLost: true });
    return;
  }
  if (vm.phase !== 'ready') {
    to.wait(iteration.task, whyAsleep(world, vm));
    return;
  }
  const guest = world.observed.guests.get(iteration.vm);
  if (guest === undefined || !guest.ok) {
    to.wait(iteration.task, `cannot ask rf-${iteration.vm}${guest === undefined ? '' : `: ${guest.reason}`}`);
    return;
  }
  const job = guest.jobs.get(iteration.id) ?? null;
  const isUnderWay = job === null || job.state === 'running';
  const isDoomed = isUnderWay && seenOf(world, vm) === 'diskless';
  const unwanted = whyUnwanted(world, iteration) ?? (isDoomed ? 'the disk of its VM was removed' : null);
  if (unwanted !== null) {
    end(unwanted, { stop: true });
    return;
  }
  if (job === null) planLaunch(pass, iteration, end);
  else if (job.state === 'running') planRunning(pass, iteration, job, end);
  else end(job.state === 'lost' ? 'its process is gone without an end' : 'the agent CLI ended');
}

/** Its VM does not run; work in it is looked at again once it does. */
function whyAsleep(world: World, { id, phase }: Vm): string {
  const held = phase === 'paused' ? holdingBack(world) : null;
  return held === null ? `rf-${id}, which holds its work, is ${phase}` : sayPressure(held);
}

function planLaunch({ world, to }: Pass, iteration: Iteration, end: (why: string) => void): void {
  const { id, vm, phase, startedAt, task } = iteration;
  const held = holdingBack(world);
  if (held !== null) to.wait(task, sayPressure(held));
  else if (phase !== 'started') end('the guest knows nothing of it any more');
  else if (world.now - startedAt > launchPatienceMs) end('it could not be started in 10 minutes');
  else to.step('launch_iteration', `it:${id}`, 'it was decided to start', { iteration: id, vm });
}

function planRunning(
  pass: Pass,
  iteration: Iteration,
  job: JobSeen,
  end: (why: string, how: { stop: boolean; silent?: boolean }) => void,
): void {
  const { world, to } = pass;
  const key = `it:${iteration.id}`;
  const at = { iteration: iteration.id, vm: iteration.vm };
  if (world.now > iteration.deadline) end('its time is up', { stop: true });
  else if (iteration.phase === 'started') to.step('launch_iteration', key, 'it runs; note it down', at);
  else if (job.streamBytes <= iteration.streamBytes && isSilent(pass, iteration))
    end(`silent for ${minutes(silenceLimit(world, iteration))}`, { stop: true, silent: true });
  else if (holdingBack(world) !== null && !isFresh(world, iteration))
    to.step('save_work', key, 'its VM is frozen once its work is saved', at);
  else if (iteration.role === 'implementer' && world.now - (iteration.savedAt ?? iteration.startedAt) > saveEveryMs)
    to.step('save_work', key, 'its work was not saved for 3 minutes', at);
  else if (job.streamBytes > iteration.streamBytes) to.step('pull_stream', key, 'it printed something', at);
}

/** Half-way there people are told. */
function isSilent({ world, to }: Pass, iteration: Iteration): boolean {
  const quietMs = world.observed.quiet.get(iteration.id);
  if (quietMs === undefined) return false;
  const limitMs = silenceLimit(world, iteration);
  if (quietMs >= limitMs) return true;
  if (quietMs * 2 >= limitMs) {
    const end = `after ${minutes(limitMs)} it is stopped, its work saved`;
    to.wait(iteration.task, `quiet for ${minutes(quietMs)}, no output and no model call; ${end}`);
  }
  return false;
}

/** An agent may sit and wait for the longest of its checks. */
function silenceLimit({ config, tasks }: World, { task: id }: Iteration): number {
  const checks = tasks.find((task) => task.id === id)?.checks ?? [];
  const longest = Math.max(0, ...checks.map((check) => check.timeoutSeconds));
  return Math.max(config.limits.silenceMs, longest * 1000 + aroundCheckMs);
}

function minutes(ms: number): string {
  const whole = Math.floor(ms / 60_000);
  return `${whole} minute${whole === 1 ? '' : 's'}`;
}

/** Why a running iteration should be called off, or null. */
export function whyUnwanted(world: World, iteration: Iteration): string | null {
  if (world.desire !== 'up') return 'the fleet goes down';
  const task = world.tasks.find((t) => t.id === iteration.task);
  if (task === undefined) return 'its task is gone';
  const wanted = iteration.role === 'implementer' ? 'implementing' : 'reviewing';
  return task.phase === wanted ? null : `its task is ${task.phase}`;
}
