import { budgetNode } from '../domain/budget.ts';
import { lastStop, timeStop, workedMs } from '../domain/budget-stops.ts';
import {
  countedAnew,
  nextQuestion,
  openQuestions,
  type Question,
  withAnswer,
  withoutBlocking,
} from '../domain/question.ts';
import { isEnded, type Note, type Task, type TaskPhase } from '../domain/task.ts';
import type { TaskPriority } from '../domain/task-draft.ts';
import { cleanLine } from '../lib/clean-text.ts';
import { FleetError } from '../lib/errors.ts';
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
  const more = task.phase === 'paused' ? {} : { ...freshStart, questions: setAside(deps, task) };
  deps.store.tx(() => {
    const to = task.phase === 'over_budget' ? tryAgain(deps, task) : (task.pausedIn ?? 'ready');
    if (task.phase === 'rate_limited') tryLimits(deps);
    deps.store.moveTask(id, to, { ...more, ralph: null, pausedIn: null });
    wantDiskAgain(deps, task.disk);
  });
  return done(`\`${id}\` goes on.`, id);
}

/** A person lets it go on without an answer: what it waited for is set aside, and may be asked again. */
function setAside({ clock }: ActionDeps, task: Task): Question[] {
  return countedAnew(withoutBlocking(task.questions, clock.now()));
}

/** A task that failed, stalled or is blocked gets a new stretch of iterations; its saved work is where it starts. `notes`: what it should know. */
export function retry(deps: ActionDeps, id: string, notes: string | null = null): Done {
  const task = findTask(deps, id);
  const tries: readonly TaskPhase[] = ['failed', 'stalled', 'blocked', 'over_budget'];
  if (!tries.includes(task.phase)) refuse(task, 'retry', `ralph-fleet why ${id}`);
  deps.store.tx(() => {
    if (task.phase === 'over_budget') tryAgain(deps, task);
    const told: Note[] = notes === null ? [] : [{ from: 'human', text: notes, at: deps.clock.now() }];
    const more = { questions: setAside(deps, task), notes: [...task.notes, ...told] };
    deps.store.moveTask(id, 'ready', { ...freshStart, ...more, ralph: null });
    wantDiskAgain(deps, task.disk);
  });
  return done(`\`${id}\` is tried again${notes === null ? '' : ' with your notes'}.`, id);
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

/** The provider may have lifted a limit early; nothing else would find out. One that still holds is met by one call. */
function tryLimits({ store }: ActionDeps): void {
  for (const { id } of store.limits.list()) store.limits.update(id, { lifted: true });
  store.events.add('limit.lifted', 'fleet', 'Usage limits are tried: you resumed a task that waited for one.');
}

/** A failed disk, or the image under it, is built anew. */
function wantDiskAgain({ store }: Pick<ActionDeps, 'store'>, key: string | null): void {
  const disk = key === null ? null : store.disks.get(key);
  if (disk === null) return;
  if (disk.phase === 'failed') store.disks.update(disk.key, { phase: 'wanted', attempts: 0, failure: null });
  wantDiskAgain({ store }, disk.backing);
}

/**
 * Answers a question of a Ralph: question and answer stand in its prompts from now on. A task that waited for it goes on; one that
 * did not is told with its next iteration. `question`: the one that was shown; without it the one that holds the task up.
 */
export function answer(
  deps: ActionDeps,
  id: string,
  said: { answer: string; by: string; question?: number | undefined },
): Done {
  const { store, clock } = deps;
  const task = findTask(deps, id);
  if (isEnded(task.phase)) refuse(task, 'answer', 'It has ended.');
  const asked = findQuestion(task, said.question);
  const text = said.answer.trim();
  if (text === '') {
    const remedy = `ralph-fleet task answer ${id} "TEXT"`;
    throw new FleetError('usage', `The answer to the question of \`${id}\` is empty.`, { remedy });
  }
  const questions = withAnswer(task.questions, asked.id, text, clock.now());
  const waited = task.phase === 'needs_input' || (task.phase === 'stalled' && asked.blocking);
  const goesOn = waited && !openQuestions(questions).some((question) => question.blocking);
  store.tx(() => {
    if (goesOn) store.moveTask(id, 'ready', { questions, ralph: null, ...freshStart });
    else store.tasks.update(id, { questions });
    store.events.add('task.answered', id, `${said.by} answered: ${cleanLine(text, 200)}`);
  });
  const then = goesOn ? 'it goes on with your answer' : 'its next iteration is told';
  return done(`\`${id}\` asked: ${cleanLine(asked.question, 200)} – ${then}.`, id);
}

function findQuestion(task: Task, id: number | undefined): Question {
  const open = openQuestions(task.questions);
  const found = id === undefined ? nextQuestion(open) : open.find((question) => question.id === id);
  if (found) return found;
  if (id === undefined || open.length === 0) return refuse(task, 'answer', 'It asks nothing that is still open.');
  return refuse(task, 'answer', `It asks something else by now: ralph-fleet task show ${task.id}`);
}

/** A person has seen what its agents flagged, and that it failed: neither asks for them any longer. */
export function markSeen(deps: ActionDeps, id: string): Done {
  const { store } = deps;
  const task = findTask(deps, id);
  const flags = store.flags.list('WHERE task = ? AND seen = 0', task.id);
  const isFailure = task.phase === 'failed' && !task.seen;
  store.tx(() => {
    for (const flag of flags) store.flags.update(flag.id, { seen: true });
    if (isFailure) store.tasks.update(task.id, { seen: true });
  });
  const flagged = flags.length === 1 ? '1 flag' : `${flags.length} flags`;
  const what = [...(isFailure ? ['the failure'] : []), ...(flags.length > 0 || !isFailure ? [flagged] : [])].join(
    ' and ',
  );
  return done(`You have seen ${what} of \`${task.id}\`.`, task.id, flags.length > 0 || isFailure);
}

export function prioritize(deps: ActionDeps, id: string, priority: TaskPriority): Done {
  const task = findTask(deps, id);
  if (task.priority === priority) return done(`\`${id}\` has priority ${priority} already.`, id, false);
  deps.store.tasks.update(id, { priority });
  return done(`\`${id}\` now has priority ${priority}.`, id);
}
