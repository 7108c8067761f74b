import type { FileView, TaskView } from '../contract/task-view.ts';
import type { CheckRun } from '../domain/check.ts';
import type { FleetEvent } from '../domain/fleet.ts';
import type { Iteration } from '../domain/iteration.ts';
import type { Task } from '../domain/task.ts';
import { toIso } from '../lib/clock.ts';
import type { QueryDeps } from './deps.ts';
import { flakyOf } from './flaky.ts';
import { taskRow } from './task-row.ts';

const eventsShown = 200;

/** One task whole. `files` comes from the repository, which a query does not read. */
export function taskView(deps: QueryDeps, task: Task, files: FileView[]): TaskView {
  const { store } = deps;
  const { iterations: _count, ...limits } = task.limits;
  return {
    task: {
      ...taskRow(deps, task),
      description: task.description,
      checks: task.checks,
      contextFiles: task.contextFiles,
      agent: task.agent,
      model: task.model,
      until: task.until === null ? null : toIso(task.until),
      uncounted: task.uncounted,
      notes: task.notes.map((note) => ({ from: note.from, text: note.text, at: toIso(note.at) })),
      limits: {
        iterations: task.limits.iterations,
        reviewRounds: limits.reviewRounds,
        maxTokens: limits.maxTokens,
        maxUsd: limits.maxUsd,
        maxCalls: limits.maxCalls ?? null,
        maxDurationMs: limits.maxDurationMs ?? null,
      },
      createdAt: toIso(task.createdAt),
    },
    question: questionOf(deps, task),
    iterations: store.iterations.list('WHERE task = ? ORDER BY startedAt', task.id).map(iterationView),
    checkRuns: store.checkRuns.list('WHERE task = ? ORDER BY startedAt', task.id).map(checkRunView),
    flaky: flakyOf(deps, task),
    reviews: store.reviews
      .list('WHERE task = ? ORDER BY at', task.id)
      .map((review) => ({ ...review, at: toIso(review.at) })),
    approvals: store.approvals
      .list('WHERE task = ? ORDER BY id', task.id)
      .map((approval) => ({ ...approval, at: toIso(approval.at) })),
    files,
    timeline: store.events.of(task.id, eventsShown).map(eventView),
  };
}

export function eventView(event: FleetEvent) {
  return { seq: event.seq, at: toIso(event.at), kind: event.kind, subject: event.subject, text: event.text };
}

function iterationView(iteration: Iteration): TaskView['iterations'][number] {
  return {
    ...iteration,
    startedAt: toIso(iteration.startedAt),
    endedAt: iteration.endedAt === null ? null : toIso(iteration.endedAt),
  };
}

function checkRunView(run: CheckRun): TaskView['checkRuns'][number] {
  return { ...run, startedAt: toIso(run.startedAt), endedAt: run.endedAt === null ? null : toIso(run.endedAt) };
}

function questionOf({ store }: QueryDeps, task: Task): TaskView['question'] {
  if (task.phase !== 'needs_input') return null;
  const ask = store.iterations.get(task.judged ?? '')?.ask ?? null;
  return {
    question: ask?.question ?? task.reason ?? '',
    options: ask?.options ?? [],
    preferred: null,
    askedAt: toIso(task.since),
  };
}
