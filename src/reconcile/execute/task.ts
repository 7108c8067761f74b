import { type Check, withProjectChecks } from '../../domain/check.ts';
import type { Disk } from '../../domain/disk.ts';
import { type ProjectSettings, setupOf } from '../../domain/project.ts';
import type { Note, Task } from '../../domain/task.ts';
import { preparedKey } from '../../images/prepared.ts';
import type { ExecuteDeps, Executor } from './deps.ts';

const maxNotes = 20;

/** A Ralph takes the task: the base is fetched, the one change made, the disk named. */
export const claimTask: Executor<'claim_task'> = async (deps, { task: id, ralph }) => {
  const { store, changes, clock } = deps;
  const task = store.tasks.get(id);
  if (task === null || task.phase !== 'ready' || store.ralphs.get(ralph)?.task !== null) return;
  const project = store.projects.mustGet(task.project);
  const base = task.base ?? (await changes.sync(project)).tip;
  const settings = await deps.readSettings(project, base);
  store.projects.update(task.project, { settings, settingsFrom: base });
  const change = await changes.startChange(task.project, id, base, task.title);
  const disk = await nameDisk(deps, task.project, base);
  store.tx(() => {
    const now = store.tasks.get(id);
    if (now?.phase !== 'ready' || store.ralphs.get(ralph)?.task !== null) return;
    store.ralphs.update(ralph, { task: id, since: clock.now() });
    store.moveTask(id, 'claimed', { ralph, base, changeId: change.changeId, disk, checks: checksAt(now, settings) });
  });
};

/** What the project checks by the base it starts from; once it has a base, a task keeps what it was started with. */
function checksAt({ base, checks }: Task, settings: ProjectSettings): Check[] {
  const together = base === null ? withProjectChecks(checks, settings.checks) : checks;
  return together.length === 0 ? checks : together;
}

/** The key of the disk a project's VMs start from at a base commit; its row is made if missing. */
export async function nameDisk(deps: ExecuteDeps, projectName: string, base: string): Promise<string> {
  const { store, changes, images } = deps;
  const image = await images.key();
  const { settings } = store.projects.mustGet(projectName);
  const setup = setupOf(settings);
  const recipe =
    setup === null
      ? null
      : {
          ...setup,
          registries: settings.registries,
          inputsHash: await changes.hashPaths(projectName, base, setup.inputs),
        };
  const prepared = recipe === null ? null : preparedKey({ ...recipe, image, inputs: recipe.inputsHash });
  store.tx(() => {
    keepDisk(deps, { key: image, kind: 'image', project: null, backing: null, commit: null, recipe: null });
    if (prepared !== null)
      keepDisk(deps, { key: prepared, kind: 'prepared', project: projectName, backing: image, commit: base, recipe });
  });
  return prepared ?? image;
}

/** A row for a disk that is wanted. One that is not there yet, or was to go, is made from what is asked now. */
export function keepDisk(
  { store, clock }: Pick<ExecuteDeps, 'store' | 'clock'>,
  wanted: Pick<Disk, 'key' | 'kind' | 'project' | 'backing' | 'commit' | 'recipe'>,
): void {
  const known = store.disks.get(wanted.key);
  if (known !== null && known.phase !== 'leaving') {
    // A replay's own repository goes with the replay; a project's stays.
    const { project, commit, recipe } = wanted;
    if (known.project !== project && store.projects.get(project ?? '') !== null)
      store.disks.update(wanted.key, { project, commit, recipe });
    return;
  }
  const fresh = {
    path: null,
    boot: null,
    progress: null,
    failure: null,
    attempts: 0,
    forkFailures: 0,
    forkFailedAt: null,
    since: clock.now(),
    phase: 'wanted',
  } as const;
  if (known === null) store.disks.insert({ ...wanted, ...fresh });
  else store.disks.update(wanted.key, { ...wanted, ...fresh });
}

/** A decision of the planner. Refused silently when the task has moved since. */
export const moveTask: Executor<'move_task'> = async ({ store }, data) => {
  store.tx(() => {
    const task = store.tasks.get(data.task);
    if (task === null || task.phase !== data.from) return;
    const patch: Partial<Task> = { needs: null, ...data.patch };
    if (data.notes !== undefined) patch.notes = keptNotes(task.notes, data.notes);
    if (data.to !== 'claimed' && data.to !== 'implementing') patch.ralph = null;
    store.moveTask(data.task, data.to, {
      ...patch,
      reason: data.reason,
      until: data.until ?? null,
      seen: false,
    });
    if (data.stop?.unit === 'ms') store.stops.set(data.stop);
  });
};

/** What checks said is replaced by what they say now; what a reviewer or a person said stays. */
function keptNotes(before: readonly Note[], now: readonly Note[]): Note[] {
  const kept = before.filter((note) => note.from !== 'checks' && note.from !== 'verifier');
  return [...kept, ...now].slice(-maxNotes);
}

export const syncRalphs: Executor<'sync_ralphs'> = async ({ store, config, clock }) => {
  store.tx(() => {
    for (const role of ['implementer', 'reviewer'] as const) {
      const wanted = config().roles[role];
      for (let n = 1; n <= wanted; n++) {
        const name = `${role}-${n}`;
        if (store.ralphs.get(name) === null) {
          store.ralphs.insert({ name, role, task: null, vm: null, since: clock.now() });
        }
      }
      store.dropIdleRalphs(role, wanted);
    }
  });
};

export const freeRalph: Executor<'free_ralph'> = async ({ store, clock }, { ralph }) => {
  store.ralphs.update(ralph, { task: null, vm: null, since: clock.now() });
};
