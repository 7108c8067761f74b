import { verifyRuns } from '../../domain/evidence.ts';
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
    return prompts.implementer({
      task,
      checks: task.checks,
      protectedFiles: settings.protected,
      iteration: task.iterations + 1,
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
