import type { CheckHistory } from '../../domain/check-history.ts';
import { verifyRuns } from '../../domain/evidence.ts';
import { checksNote } from '../../domain/feedback.ts';
import type { Iteration } from '../../domain/iteration.ts';
import { lessonsFor } from '../../domain/lesson.ts';
import type { Task } from '../../domain/task.ts';
import { budgetLine } from './budget.ts';
import type { ExecuteDeps } from './deps.ts';

/** Each costs tokens in every call of the iteration. */
const lessonChars = 6000;

/** The whole prompt of one iteration, from rows and the change alone: a fresh context each time. */
export async function promptOf(deps: ExecuteDeps, task: Task, iteration: Iteration): Promise<string> {
  const { store, prompts } = deps;
  const { settings } = store.projects.mustGet(task.project);
  const budgetLeft = await budgetLine(deps, task, iteration);
  const { mcpTool } = deps.agent(task.agent);
  if (iteration.role === 'implementer') {
    const history = {
      checkRuns: store.checkRuns.list('WHERE task = ?', task.id),
      iterations: store.iterations.list('WHERE task = ?', task.id),
    };
    return prompts.implementer({
      task: withBaseline(task, history, deps.clock.now()),
      checks: task.checks,
      protectedFiles: settings.protected,
      iteration: iteration.n,
      history,
      budgetLeft,
      lessons: lessonsFor(task, store.lessons.list('WHERE project = ?', task.project), lessonChars),
      nonce: iteration.nonce,
      mcpTool,
    });
  }
  return prompts.reviewer({
    task,
    checks: task.checks,
    change: await changeOf(deps, task, iteration, settings.protected),
    earlierFindings: store.reviews
      .list("WHERE task = ? AND phase = 'changes_requested'", task.id)
      .flatMap((r) => r.findings),
    round: task.reviewRound,
    budgetLeft,
    nonce: iteration.nonce,
    mcpTool,
  });
}

/** Before anything was done, what the checks said of the base stands where what they say of the work will stand. */
function withBaseline(task: Task, history: CheckHistory, now: number): Task {
  const { checks, base, head, notes } = task;
  const run = history.checkRuns.find(
    (each) => each.kind === 'baseline' && each.base === base && each.phase === 'failed',
  );
  if (head !== null || run === undefined) return task;
  const where = 'on the base, before any work: this is what you start from';
  const text = checksNote({ checks, results: run.results, where, passedBefore: new Map() });
  return text === null ? task : { ...task, notes: [{ from: 'checks', at: now, text }, ...notes] };
}

async function changeOf(deps: ExecuteDeps, task: Task, iteration: Iteration, patterns: readonly string[]) {
  const { store, changes } = deps;
  const base = task.base ?? iteration.fromCommit;
  const commit = iteration.fromCommit;
  const files = await changes.files(task.project, base, commit, patterns);
  const runs = verifyRuns({ commit, base, checkRuns: store.checkRuns.list('WHERE task = ?', task.id), reviews: [] });
  return {
    base,
    commit,
    diff: await changes.diff(task.project, base, commit),
    evidence: runs.map(({ variant, results }) => ({ variant, results })),
    protectedChanges: files.filter((file) => file.isProtected).map((file) => file.path),
  };
}
