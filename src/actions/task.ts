import { budgetNode } from '../domain/budget.ts';
import { lastStop, timeStop, workedMs } from '../domain/budget-stops.ts';
import { isEnded, type Task, type TaskPhase } from '../domain/task.ts';
import type { TaskPriority } from '../domain/task-draft.ts';
import { freshStart } from './approve.ts';
import { type ActionDeps, type Done, done } from './deps.ts';
import { findTask, refuse } from './find-task.ts';

/** Ends a task; its saved work stays in the repository. What runs for it is saved and stopped by the next passes. */
export function cancel(deps: ActionDeps, id: string): Done {
  const task = findTask(deps, id);
  if (task.phase === 'cancelled') return done(`\`${id}\` is cancelled already.`, id, false);
  if (isEnded(task.phase) && task.phase !== 'failed') refuse(task, 'cancel', 'It has ended.');
  // It may stand on the branch already, and then it would not be true.
  if (task.phase === 'integrating') refuse(task, 'cancel', `You approved it; see ralph-fleet why ${id}.`);
  deps.store.moveTask(id, 'cancelled', { ralph: null });
  return done(`\`${id}\` is cancelled; its work is kept.`, id);
}

export function pause(deps: ActionDeps, id: string): Done {
  const task = findTask(deps, id);
  if (task.phase === 'paused') return done(`\`${id}\` is paused already.`, id, false);
  const idle: readonly TaskPhase[] = ['integrating', 'awaiting_approval', 'pr_open'];
  if (isEnded(task.phase) || idle.includes(task.phase)) refuse(task, 'pause', `ralph-fleet why ${id}`);
  // What its implementer has finished is not done a second time.
  const { phase, head } = task;
  const pausedIn = head !== null && (phase === 'verifying' || phase === 'reviewing') ? phase : null;
  deps.store.moveTask(id, 'paused', { reason: 'you paused it', ralph: null, pausedIn });
  return done(`\`${id}\` is paused; its work is saved.`, id);
}

const resumable: readonly TaskPhase[] = ['paused', 'rate_limited', 'over_budget', 'needs_input', 'stalled', 'blocked'];

export function resume(deps: ActionDeps, id: string): Done {
  const task = findTask(deps, id);
  if (!resumable.includes(task.phase)) refuse(task, 'resume', `ralph-fleet why ${id}`);
  const more = task.phase === 'paused' ? {} : freshStart;
  deps.store.tx(() => {
    const to = task.phase === 'over_budget' ? tryAgain(deps, task) : (task.pausedIn ?? 'ready');
    deps.store.moveTask(id, to, { ...more, ralph: null, pausedIn: null });
    wantDiskAgain(deps, task.disk);
  });
  return done(`\`${id}\` goes on.`, id);
}

/** A task that failed, stalled or is blocked gets a new stretch of iterations; its saved work is where it starts. */
export function retry(deps: ActionDeps, id: string): Done {
  const task = findTask(deps, id);
  const tries: readonly TaskPhase[] = ['failed', 'stalled', 'blocked', 'over_budget'];
  if (!tries.includes(task.phase)) refuse(task, 'retry', `ralph-fleet why ${id}`);
  deps.store.tx(() => {
    if (task.phase === 'over_budget') tryAgain(deps, task);
    deps.store.moveTask(id, 'ready', { ...freshStart, ralph: null });
    wantDiskAgain(deps, task.disk);
  });
  return done(`\`${id}\` is tried again.`, id);
}

/** A person's word: its next call may be smaller than the one that was refused. Where its time is up, that is no help. */
function tryAgain({ store, config, clock }: ActionDeps, task: Task): TaskPhase {
  const now = clock.now();
  const rows = { fleet: config().budget, changes: store.budgets.list(), stops: store.stops.list(), now };
  const last = lastStop(task, rows.stops);
  const isReview = last?.node === budgetNode('review', task.id);
  const role = isReview ? 'reviewer' : 'implementer';
  const worked = workedMs(store.iterations.list('WHERE task = ?', task.id), { task: task.id, role, now });
  if (timeStop(task, role, worked, rows) !== null) {
    refuse(
      task,
      'resume',
      `Its time is used up: ralph-fleet budget set ${isReview ? 'review:' : ''}${task.id} --time 2h`,
    );
  }
  for (const kind of ['task', 'review'] as const) store.stops.remove(budgetNode(kind, task.id));
  return isReview && task.head !== null ? 'reviewing' : 'ready';
}

/** A failed disk, or the image under it, is built anew. */
function wantDiskAgain({ store }: Pick<ActionDeps, 'store'>, key: string | null): void {
  const disk = key === null ? null : store.disks.get(key);
  if (disk === null) return;
  if (disk.phase === 'failed') store.disks.update(disk.key, { phase: 'wanted', attempts: 0, failure: null });
  wantDiskAgain({ store }, disk.backing);
}

/** Answers a question of a Ralph: the answer stands in the notes of its next iteration. */
export function answer(deps: ActionDeps, id: string, text: string, by: string): Done {
  const { store, clock } = deps;
  const task = findTask(deps, id);
  if (task.phase !== 'needs_input') refuse(task, 'answer', 'It has asked nothing.');
  const question = store.iterations.get(task.judged ?? '')?.ask?.question ?? task.reason ?? '';
  const note = { from: 'human' as const, at: clock.now(), text: `You asked: ${question}\nThe answer: ${text}` };
  store.tx(() => {
    store.moveTask(id, 'ready', { notes: [...task.notes, note], ralph: null, ...freshStart });
    store.events.add('task.answered', id, `${by} answered.`);
  });
  return done(`\`${id}\` goes on with your answer.`, id);
}

/** A person has seen what its agents flagged: it no longer asks for them. */
export function seenFlags(deps: ActionDeps, id: string): Done {
  const { store } = deps;
  const task = findTask(deps, id);
  const flags = store.flags.list('WHERE task = ? AND seen = 0', task.id);
  store.tx(() => {
    for (const flag of flags) store.flags.update(flag.id, { seen: true });
  });
  const what = flags.length === 1 ? '1 flag' : `${flags.length} flags`;
  return done(`You have seen ${what} of \`${task.id}\`.`, task.id, flags.length > 0);
}

export function prioritize(deps: ActionDeps, id: string, priority: TaskPriority): Done {
  const task = findTask(deps, id);
  if (task.priority === priority) return done(`\`${id}\` has priority ${priority} already.`, id, false);
  deps.store.tasks.update(id, { priority });
  return done(`\`${id}\` now has priority ${priority}.`, id);
}
