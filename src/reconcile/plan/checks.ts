import type { CheckRun, CheckRunKind, CheckVariant } from '../../domain/check.ts';
import type { Pass } from './need-vm.ts';
import type { World } from './world.ts';

/** Every running check run: ended exactly once, when its job ended or its VM is lost. */
export function planCheckRuns(pass: Pass): void {
  const { world, to } = pass;
  for (const run of world.checkRuns) {
    if (run.phase !== 'running') continue;
    const key = `ck:${run.id}`;
    const end = (why: string, lost: boolean) =>
      to.step('end_checks', key, why, { checkRun: run.id, vm: run.vm ?? '', lost, why });
    const vm = world.vms.find((v) => v.id === run.vm);
    if (vm === undefined || (vm.phase !== 'ready' && vm.phase !== 'paused')) {
      end(world.desire === 'up' ? `its VM is ${vm?.phase ?? 'gone'}` : calledOff[0], true);
      continue;
    }
    const guest = world.observed.guests.get(vm.id);
    if (guest === undefined || !guest.ok) {
      to.wait(run.task, `cannot ask rf-${vm.id} how its checks are`);
      continue;
    }
    const job = guest.jobs.get(run.id);
    if (job === undefined || job.state === 'lost') end('the guest lost it', false);
    else if (job.state === 'ended') end('the checks ended', false);
    else if (!isWanted(world, run)) end(calledOff[1], true);
    else to.wait(run.task, `its checks run in rf-${vm.id}`);
  }
}

/** Ends of a run that say nothing of VM or checks. */
const calledOff = ['the fleet went down', 'its task went on without it'] as const;

/** Runs since `since` that could not be judged. */
export function infraRuns(runs: readonly CheckRun[], since: number, isMatch: (run: CheckRun) => boolean): number {
  const isCalledOff = (run: CheckRun) => (calledOff as readonly (string | null)[]).includes(run.failure);
  return runs.filter((r) => r.phase === 'infra' && r.startedAt >= since && isMatch(r) && !isCalledOff(r)).length;
}

export const maxInfraRuns = 3;

function isWanted(world: World, run: CheckRun): boolean {
  const task = world.tasks.find((t) => t.id === run.task);
  if (task === undefined || world.desire !== 'up') return false;
  if (run.kind === 'verify') return task.phase === 'verifying';
  return task.phase === 'claimed' || task.phase === 'implementing';
}

/** The newest run that matches. */
export function findRun(
  world: Pick<World, 'checkRuns'>,
  match: {
    task: string;
    kind: CheckRunKind;
    variant?: CheckVariant;
    commit?: string;
    base?: string;
    iteration?: string | null;
  },
): CheckRun | null {
  const all = world.checkRuns.filter(
    (run) =>
      run.task === match.task &&
      run.kind === match.kind &&
      (match.variant === undefined || run.variant === match.variant) &&
      (match.commit === undefined || run.commit === match.commit) &&
      (match.base === undefined || run.base === match.base) &&
      (match.iteration === undefined || run.iteration === match.iteration),
  );
  return all.reduce<CheckRun | null>(
    (newest, run) => (newest === null || run.startedAt >= newest.startedAt ? run : newest),
    null,
  );
}
