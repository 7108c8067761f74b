import { isGuestFull } from '../../guest/guest-call.ts';
import type { Step, StepKind } from '../plan/step.ts';
import { endChecks, startChecks } from './checks.ts';
import type { ExecuteDeps, Executor, ExecutorTable, StepEnd } from './deps.ts';
import { buildImage, dropDisk, failDisk, sealDisk, startSetup } from './disk.ts';
import { endIteration } from './end-iteration.ts';
import { forkVm, saveTemplate, unforkVm } from './fork.ts';
import { freeBallast, holdVm, makeBallast } from './hold.ts';
import { integrate } from './integrate.ts';
import { launchIteration, pullStream, saveWorkStep, startIteration } from './iteration.ts';
import { ping } from './ping.ts';
import { probeVm } from './probe.ts';
import { endReplay, endReplayRun, prepareReplay, startReplay, tidyReplay } from './replay.ts';
import { requestReview } from './review.ts';
import { dropSnapshot, rewindTask, takeSnapshot, wantSnapshot } from './snapshots.ts';
import { claimTask, freeRalph, moveTask, syncRalphs } from './task.ts';
import {
  closeTunnelStep,
  createVm,
  deleteVm,
  failVm,
  reclaimVm,
  redefineVm,
  releaseVm,
  requestVm,
  resumeVm,
  reviveVm,
  startVm,
  stopVm,
} from './vm.ts';
import { seedWorkspace } from './workspace.ts';

/** One executor per kind of step; the compiler sees to it that none is missing. No executor chooses: the planner did. */
const table = {
  sync_ralphs: syncRalphs,
  free_ralph: freeRalph,
  build_image: buildImage,
  start_setup: startSetup,
  seal_disk: sealDisk,
  fail_disk: failDisk,
  drop_disk: dropDisk,
  request_vm: requestVm,
  create_vm: createVm,
  fork_vm: forkVm,
  unfork_vm: unforkVm,
  save_template: saveTemplate,
  start_vm: startVm,
  probe_vm: probeVm,
  stop_vm: stopVm,
  fail_vm: failVm,
  revive_vm: reviveVm,
  redefine_vm: redefineVm,
  resume_vm: resumeVm,
  hold_vm: holdVm,
  free_ballast: freeBallast,
  make_ballast: makeBallast,
  release_vm: releaseVm,
  delete_vm: deleteVm,
  reclaim_vm: reclaimVm,
  close_tunnel: closeTunnelStep,
  seed_workspace: seedWorkspace,
  want_snapshot: wantSnapshot,
  take_snapshot: takeSnapshot,
  drop_snapshot: dropSnapshot,
  rewind_task: rewindTask,
  claim_task: claimTask,
  move_task: moveTask,
  start_iteration: startIteration,
  launch_iteration: launchIteration,
  pull_stream: pullStream,
  save_work: saveWorkStep,
  end_iteration: endIteration,
  start_checks: startChecks,
  end_checks: endChecks,
  prepare_replay: prepareReplay,
  start_replay: startReplay,
  end_replay_run: endReplayRun,
  end_replay: endReplay,
  tidy_replay: tidyReplay,
  request_review: requestReview,
  integrate,
  ping,
} satisfies ExecutorTable;

export const stepKinds = Object.keys(table) as StepKind[];

export async function execute(deps: ExecuteDeps, step: Step): Promise<StepEnd> {
  const executor = table[step.kind] as Executor<typeof step.kind>;
  try {
    return await executor(deps, step.data as never);
  } catch (error) {
    if (!begins.has(step.kind) || !isGuestFull(error)) throw error;
    await failVm(deps, {
      vm: (step.data as { vm: string }).vm,
      reason: `nothing can be written in it: ${error.message}`,
    });
  }
}

/** Steps that begin something in a guest: what was done in it before is on the host, so that a guest without room is given up. */
const begins: ReadonlySet<StepKind> = new Set(['seed_workspace', 'launch_iteration', 'start_checks', 'start_replay']);
