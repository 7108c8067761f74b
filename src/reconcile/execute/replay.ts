import { isReplayOpen, type Replay, type ReplayRun } from '../../domain/replay.ts';
import { workspaceFolder } from '../../guest/guest.ts';
import { preparedKey } from '../../images/prepared.ts';
import { FleetError } from '../../lib/errors.ts';
import { readyVm } from './address.ts';
import { checksJob, protectedAt, readResults, restoredFolder, seedFolder } from './check-job.ts';
import type { ExecuteDeps, Executor } from './deps.ts';
import { keepDisk } from './task.ts';

/**
 * Settles what a replay runs on: its commits, for a bundle brought into a repository of their own; and the disk that was recorded, or
 * one made the same way on the image of today, which is then said. What the bundle says and the repository does not bear out ends it.
 */
export const prepareReplay: Executor<'prepare_replay'> = async (deps, { replay: id }) => {
  const replay = inPhase(deps, id, ['wanted', 'running']);
  if (replay === null) return;
  try {
    await bringCommits(deps, replay);
    await refuseOtherTrees(deps, replay);
    const disk = await settleDisk(deps, replay);
    deps.store.tx(() => {
      if (inPhase(deps, id, ['wanted', 'running']) === null) return;
      deps.store.replays.update(id, { phase: 'running', disk: disk.key, remarks: disk.remarks });
    });
  } catch (error) {
    if (!(error instanceof FleetError) || error.kind === 'transient' || error.kind === 'bug') throw error;
    close(deps, id, 'failed', error.message);
  }
};

async function bringCommits({ changes }: ExecuteDeps, { id, source, base, commit }: Replay): Promise<void> {
  if (source !== null) await changes.adopt(id, source.repository, { base, commit, change: source.change });
}

async function refuseOtherTrees(deps: ExecuteDeps, replay: Replay): Promise<void> {
  const { project, base, commit, recorded } = replay;
  const run = recorded.runs.find(({ variant }) => variant === 'restored');
  if (run === undefined) return;
  // Of its own task the base itself says it.
  const patterns = replay.source === null ? await protectedAt(deps, project, base) : recorded.protected;
  const restored = await deps.changes.restoreProtected(project, base, commit, patterns);
  if (restored === run.tested) return;
  throw new FleetError(
    'refused',
    `With the protected files put back \`${commit.slice(0, 10)}\` is \`${restored.slice(0, 10)}\`, and not \`${run.tested.slice(0, 10)}\` as recorded.`,
  );
}

async function settleDisk(deps: ExecuteDeps, replay: Replay): Promise<{ key: string; remarks: string[] }> {
  const { store, changes, images } = deps;
  const { recorded, project, base } = replay;
  const own = store.disks.get(recorded.disk);
  const isStanding = own?.phase === 'ready' && own.path !== null && (await deps.isThere(own.path));
  if (isStanding) return { key: own.key, remarks: [] };
  const image = await images.key();
  const remarks = [];
  if (image !== recorded.image)
    remarks.push(`the image is another one: ${recorded.image} was recorded, ${image} is here`);
  const { recipe } = recorded;
  if (recipe === null) {
    keepDisk(deps, { key: image, kind: 'image', project: null, backing: null, commit: null, recipe: null });
    return { key: image, remarks };
  }
  const inputsHash = await changes.hashPaths(project, base, recipe.inputs);
  if (inputsHash !== recipe.inputsHash) {
    throw new FleetError(
      'refused',
      `The inputs of its setup are others at \`${base.slice(0, 10)}\` than were recorded.`,
    );
  }
  const key = preparedKey({ ...recipe, image, inputs: inputsHash });
  if (store.disks.get(key)?.phase !== 'ready')
    remarks.push('its prepared disk was gone and is made again from its recipe');
  keepDisk(deps, { key: image, kind: 'image', project: null, backing: null, commit: null, recipe: null });
  keepDisk(deps, { key, kind: 'prepared', project, backing: image, commit: base, recipe });
  return { key, remarks };
}

/** The row is there first; both folders stand there before any code of the project runs. */
export const startReplay: Executor<'start_replay'> = async (deps, { replay: id, vm, variant }) => {
  const replay = inPhase(deps, id, ['running']);
  const at = readyVm(deps, vm);
  if (replay === null || at === null || replay.runs.some((run) => run.phase === 'running')) return;
  const { project, recorded, checks } = replay;
  const restored = recorded.runs.find((run) => run.variant === 'restored' && run.tested !== replay.commit);
  if (restored !== undefined)
    await seedFolder(deps, { id: vm, ...at }, { project, commit: restored.tested, folder: restoredFolder });
  if (at.vm.seeded[workspaceFolder] !== replay.commit) return;
  const job = `${id}-${variant === 'restored' ? 'r' : 'c'}${replay.attempts}`;
  const run: ReplayRun = { job, variant, vm, phase: 'wanted', results: [], startedAt: deps.clock.now(), endedAt: null };
  if (!setRun(deps, id, run)) return;
  await deps.guests.startJob(at.address, checksJob(job, variant === 'restored', checks));
  setRun(deps, id, { ...run, phase: 'running' });
};

export const endReplayRun: Executor<'end_replay_run'> = async (deps, { replay: id, job, lost, why }) => {
  const replay = inPhase(deps, id, ['running']);
  const run = replay?.runs.find((each) => each.job === job && each.phase === 'running');
  if (!replay || run === undefined) return;
  const at = lost ? null : readyVm(deps, run.vm);
  if (at === null && !lost) return 'waits';
  const results = at === null ? [] : await readResults(deps, at.address, job, replay.checks);
  if (results.length === replay.checks.length) {
    setRun(deps, id, { ...run, phase: 'ended', results, endedAt: deps.clock.now() });
    return;
  }
  deps.log.warn({ replay: id, vm: run.vm, reason: why }, 'a run of a replay came to nothing');
  deps.store.tx(() => {
    const now = inPhase(deps, id, ['running']);
    if (now === null) return;
    const runs = now.runs.filter((each) => each.job !== job);
    deps.store.replays.update(id, { runs, attempts: now.attempts + 1 });
    const vm = deps.store.vms.get(run.vm);
    if (vm !== null && vm.desired !== 'gone') deps.store.vms.update(run.vm, { desired: 'gone' });
  });
};

export const endReplay: Executor<'end_replay'> = async (deps, { replay, phase, reason }) => {
  close(deps, replay, phase, reason);
};

function close(deps: ExecuteDeps, id: string, phase: 'ended' | 'failed', reason: string | null): void {
  const { store, clock } = deps;
  store.tx(() => {
    if (inPhase(deps, id, ['wanted', 'running']) === null) return;
    store.replays.update(id, { phase, reason, endedAt: clock.now() });
    store.events.add(`replay.${phase}`, id, reason ?? `The replay of ${store.replays.mustGet(id).title} is over.`);
  });
}

export const tidyReplay: Executor<'tidy_replay'> = async (deps, { replay: id }) => {
  const replay = deps.store.replays.get(id);
  if (replay === null || isReplayOpen(replay) || replay.tidied) return;
  // A disk that only this replay has asked for goes with it; a later step takes the rest.
  const disks = deps.store.disks.list('WHERE project = ?', id);
  for (const disk of disks) deps.store.disks.update(disk.key, { phase: 'leaving', since: deps.clock.now() });
  if (disks.length > 0) return;
  if (replay.source !== null) {
    if (replay.source.change !== null) await deps.removeFile(replay.source.change);
    await deps.changes.discard(id);
  }
  deps.store.replays.update(id, { tidied: true });
};

function inPhase({ store }: ExecuteDeps, id: string, phases: readonly Replay['phase'][]): Replay | null {
  const replay = store.replays.get(id);
  return replay !== null && phases.includes(replay.phase) ? replay : null;
}

/** Puts a run in its place among the others; false when the replay is over meanwhile. */
function setRun(deps: ExecuteDeps, id: string, run: ReplayRun): boolean {
  return deps.store.tx(() => {
    const replay = inPhase(deps, id, ['running']);
    if (replay === null) return false;
    const others = replay.runs.filter((each) => each.job !== run.job && each.phase !== 'wanted');
    deps.store.replays.update(id, { runs: [...others, run] });
    return true;
  });
}
