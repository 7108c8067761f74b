import type { ReplayView } from '../contract/replay.ts';
import { type CheckFacts, compareReplay, isReplayOpen, type Replay, runsToMake, verdictOf } from '../domain/replay.ts';
import { vmName } from '../domain/vm.ts';
import { toIso } from '../lib/clock.ts';
import type { QueryDeps } from './deps.ts';

export function replayView(deps: QueryDeps, replay: Replay): ReplayView {
  const vm = replay.runs.at(-1)?.vm ?? null;
  const tailOf = (variant: string, check: string) =>
    replay.runs.find((run) => run.variant === variant)?.results.find((one) => one.id === check)?.tail ?? '';
  const { id, task, title, commit, base, phase, reason, remarks, disk } = replay;
  return {
    ...{ id, task, title, commit, base, phase, reason, remarks, disk },
    does: isReplayOpen(replay) ? doing(deps, replay) : null,
    verdict: verdictOf(replay),
    vm: vm === null ? null : vmName(vm),
    rows: compareReplay(replay).map(({ variant, check, recorded, now, isSame }) => ({
      ...{ variant, check, isSame, recorded: shown(recorded), now: shown(now) },
      tail: tailOf(variant, check),
    })),
    startedAt: toIso(replay.startedAt),
    endedAt: replay.endedAt === null ? null : toIso(replay.endedAt),
  };
}

function shown(facts: CheckFacts | null) {
  if (facts === null) return null;
  const { passed, exitCode, timedOut, ms } = facts;
  return { passed, exitCode, timedOut, ms };
}

function doing({ store }: QueryDeps, replay: Replay): string {
  if (replay.phase === 'wanted') return 'looks at the commit and the disk it ran on';
  const run = replay.runs.find((one) => one.phase === 'running');
  if (run !== undefined) return `the checks run in ${vmName(run.vm)}, ${run.variant}`;
  const ended = replay.runs.filter((one) => one.phase === 'ended').length;
  if (ended === runsToMake(replay).length) return 'compares';
  const vm = store.alive.vms.rows().find((one) => one.task === replay.id && one.desired !== 'gone');
  if (vm !== undefined) {
    if (vm.phase === 'ready') return `puts the commit into ${vmName(vm.id)}`;
    return `${vmName(vm.id)} is ${vm.phase}${vm.stage === null ? '' : ` (${vm.stage})`}`;
  }
  const disk = replay.disk === null ? null : store.disks.get(replay.disk);
  if (disk === null || disk.phase === 'ready') return 'waits for a VM';
  const image = disk.backing === null ? null : store.disks.get(disk.backing);
  const slow = image !== null && image.phase !== 'ready' ? image : disk;
  return `its ${slow.kind === 'image' ? 'image' : 'prepared disk'} is made: ${slow.progress ?? slow.failure ?? slow.phase}`;
}
