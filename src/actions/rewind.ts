import type { Iteration } from '../domain/iteration.ts';
import { countedAnew, withoutBlocking } from '../domain/question.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import { isEnded, type Note, type Rewind, type Task, type TaskPhase } from '../domain/task.ts';
import { FleetError } from '../lib/errors.ts';
import { freshStart } from './approve.ts';
import { type ActionDeps, type Done, done } from './deps.ts';
import { refuse } from './find-task.ts';
import { findSnapshot, findSubject } from './find-vm.ts';
import { snapshotsOf } from './vm.ts';

/** `to`: the number of an iteration (0: the beginning), or a snapshot. `notes`: what its implementer should know this time. */
export interface RewindWish {
  to: string;
  notes: string | null;
}

/**
 * Puts a task back to where an iteration ended, disk and change together; what it takes back is kept as a branch. Its Ralph goes on from
 * there, in a new stretch of iterations. What runs for it is saved and ended first.
 */
export function rewind(deps: ActionDeps, word: string, { to, notes }: RewindWish): Done {
  const { store, clock } = deps;
  return store.tx(() => {
    const { task } = findSubject(deps, word);
    if (task === null) {
      const remedy = 'Name a task: ralph-fleet tasks';
      throw new FleetError('refused', `Cannot rewind \`${word.slice(0, 60)}\`: it works on no task.`, { remedy });
    }
    refuseUnfit(task);
    const wish = find(deps, task, to);
    const told: Note[] = notes === null ? [] : [{ from: 'human', text: notes, at: clock.now() }];
    // What was said of work that is taken back is not true of what it goes on from.
    const kept = task.notes.filter((note) => note.from === 'human');
    const questions = countedAnew(withoutBlocking(task.questions, clock.now()));
    const more = { questions, notes: [...kept, ...told], ralph: null, pausedIn: null, needs: null, rewind: wish };
    store.moveTask(task.id, 'ready', { ...freshStart, ...more });
    const where = wish.to === 0 ? 'its beginning' : `where iteration ${wish.to} ended`;
    const how = wish.snapshot === null ? 'its change, on a fresh disk: that of then was not kept' : 'disk and change';
    const what = wish.to === 0 && wish.snapshot === null ? 'on a fresh disk' : how;
    return done(`\`${task.id}\` goes back to ${where}: ${what}.`, task.id);
  });
}

const unfit: readonly TaskPhase[] = ['draft', 'waiting', 'integrating', 'pr_open'];

function refuseUnfit(task: Task): void {
  if (isEnded(task.phase) && task.phase !== 'failed') refuse(task, 'rewind', 'It has ended.');
  if (unfit.includes(task.phase) || task.base === null) refuse(task, 'rewind', `ralph-fleet why ${task.id}`);
}

function find(deps: ActionDeps, task: Task, to: string): Rewind {
  const base = task.base ?? '';
  const named = findSnapshot(deps, to);
  if (named !== null) {
    if (named.task !== task.id || named.phase !== 'ready') {
      const what = named.phase === 'ready' ? `a snapshot of \`${named.task ?? 'a clone'}\`` : `\`${named.phase}\``;
      throw new FleetError('refused', `Cannot rewind \`${task.id}\` to \`${to}\`: it is ${what}.`);
    }
    return { to: named.n ?? 0, commit: named.commit ?? base, snapshot: named.id, isDone: false };
  }
  const n = /^\d{1,6}$/.test(to.trim()) ? Number(to) : null;
  if (n === 0) return { to: 0, commit: base, snapshot: null, isDone: false };
  const ended = endedOf(deps, task);
  const iteration = ended.find((each) => each.n === n);
  if (iteration === undefined || n === null) throw noIteration(task, to, ended);
  // One that saved nothing left the change as it was.
  const commit = iteration.savedCommit ?? iteration.fromCommit;
  return {
    to: n,
    commit: commit === '' ? base : commit,
    snapshot: snapshotAfter(deps, task, n)?.id ?? null,
    isDone: false,
  };
}

function endedOf({ store }: ActionDeps, { id }: Task): Iteration[] {
  return store.iterations.list("WHERE task = ? AND role = 'implementer' AND phase = 'ended' ORDER BY n", id);
}

function snapshotAfter(deps: ActionDeps, task: Task, n: number): Snapshot | undefined {
  return snapshotsOf(deps, task.id).find((one) => one.why === 'iteration' && one.n === n && one.phase === 'ready');
}

function noIteration(task: Task, to: string, ended: readonly Iteration[]): FleetError {
  const last = ended.at(-1)?.n ?? 0;
  const said = `\`${task.id}\` has no ended iteration \`${to.slice(0, 20)}\`.`;
  const remedy = `Name one of 0 (its beginning) to ${last}, or a snapshot of: ralph-fleet vm show ${task.id}`;
  return new FleetError('usage', said, { remedy });
}
