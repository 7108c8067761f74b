import { verifyRuns } from '../domain/evidence.ts';
import { isReplayOpen, type Recorded, type Replay } from '../domain/replay.ts';
import { FleetError } from '../lib/errors.ts';
import { type ActionDeps, type Done, done } from './deps.ts';
import { findTask, refuse } from './find-task.ts';

/** What a bundle says of a replay, once it was believed. */
export type Handed = Pick<Replay, 'title' | 'source' | 'commit' | 'base' | 'checks' | 'recorded'>;

/** Wants what the evidence of a task records done once more, whether the fleet is up or not. */
export function replayTask(deps: ActionDeps, id: string, replayId: string): Replay {
  const { store } = deps;
  const task = findTask(deps, id);
  const { head: commit, base } = task;
  if (commit === null || base === null) return refuse(task, 'replay', 'Nothing of it is saved yet.');
  const rows = { commit, base, checkRuns: store.checkRuns.list('WHERE task = ?', id), reviews: [] };
  const runs = verifyRuns(rows).filter((run) => run.phase === 'passed' || run.phase === 'failed');
  const [first] = runs;
  if (first === undefined) return refuse(task, 'replay', 'Its commit was not verified yet.');
  const key = task.disk ?? '';
  const disk = store.disks.get(key);
  const recorded: Recorded = {
    runs: runs.map(({ variant, tested, results }) => ({ variant, tested, results })),
    protected: [],
    services: store.projects.get(task.project)?.settings.services ?? [],
    disk: key,
    image: disk?.backing ?? key,
    recipe: disk?.recipe ?? null,
  };
  const title = `${task.id} ${task.title}`;
  const { project, checks } = task;
  return addReplay(deps, { id: replayId, task: id, project, title, source: null, commit, base, checks, recorded });
}

/** The same for a bundle that somebody handed over; its commits get a host repository of their own. */
export function replayHanded(deps: ActionDeps, handed: Handed, id: string): Replay {
  return addReplay(deps, { ...handed, id, task: null, project: id });
}

function addReplay({ store, clock }: ActionDeps, wanted: Handed & Pick<Replay, 'id' | 'task' | 'project'>): Replay {
  return store.tx(() => {
    const known = store.alive.replays.rows().find((one) => isReplayOpen(one) && one.commit === wanted.commit);
    if (known !== undefined) {
      throw new FleetError('already_running', `\`${wanted.commit.slice(0, 10)}\` is being replayed already.`, {
        remedy: `It is \`${known.id}\`; it ends by itself.`,
      });
    }
    store.replays.insert({
      ...wanted,
      disk: null,
      phase: 'wanted',
      reason: null,
      runs: [],
      attempts: 0,
      remarks: [],
      startedAt: clock.now(),
      endedAt: null,
      tidied: false,
    });
    store.events.add('replay.wanted', wanted.id, `The evidence of ${wanted.title} is replayed.`);
    return store.replays.mustGet(wanted.id);
  });
}

/** Its VM goes, and with it all that was made for it. */
export function cancelReplay({ store, clock }: Pick<ActionDeps, 'store' | 'clock'>, id: string): Done {
  return store.tx(() => {
    const replay = store.replays.mustGet(id);
    if (!isReplayOpen(replay)) return done(`\`${id}\` is over already.`, null, false);
    store.replays.update(id, { phase: 'cancelled', reason: 'it was called off', endedAt: clock.now() });
    store.events.add('replay.cancelled', id, `The replay of ${replay.title} was called off.`);
    return done(`\`${id}\` is called off.`);
  });
}
