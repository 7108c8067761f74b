import type { FileView, TaskView } from '../contract/task-view.ts';
import type { CheckRun } from '../domain/check.ts';
import type { FleetEvent } from '../domain/fleet.ts';
import { howItWent } from '../domain/how-it-went.ts';
import type { Iteration } from '../domain/iteration.ts';
import { nextQuestion, type Question } from '../domain/question.ts';
import { isEnded, type Task } from '../domain/task.ts';
import { toIso } from '../lib/clock.ts';
import type { QueryDeps } from './deps.ts';
import { flagsOf } from './flags.ts';
import { flakyOf } from './flaky.ts';
import { taskRow } from './task-row.ts';

const eventsShown = 200;

/** One task whole. `files` comes from the repository, which a query does not read. */
export function taskView(deps: QueryDeps, task: Task, files: FileView[]): TaskView {
  const { store } = deps;
  const { iterations: _count, ...limits } = task.limits;
  const iterations = store.iterations.list('WHERE task = ? ORDER BY startedAt', task.id);
  const checkRuns = store.checkRuns.list('WHERE task = ? ORDER BY startedAt', task.id);
  const next = isEnded(task.phase) ? null : nextQuestion(task.questions);
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
    trace: deps.live.traceOf(task),
    question: next === null ? null : questionView(next),
    questions: task.questions.map(questionView),
    howItWent: howItWent(task, { iterations, checkRuns }),
    iterations: iterations.map(iterationView),
    checkRuns: checkRuns.map(checkRunView),
    flaky: flakyOf(deps, task),
    reviews: store.reviews
      .list('WHERE task = ? ORDER BY at', task.id)
      .map((review) => ({ ...review, at: toIso(review.at) })),
    approvals: store.approvals
      .list('WHERE task = ? ORDER BY id', task.id)
      .map((approval) => ({ ...approval, at: toIso(approval.at) })),
    flags: flagsOf(deps, task),
    files,
    timeline: store.events.of(task.id, eventsShown).map(eventView),
  };
}

export function eventView(event: FleetEvent) {
  return { seq: event.seq, at: toIso(event.at), kind: event.kind, subject: event.subject, text: event.text };
}

function iterationView(iteration: Iteration): TaskView['iterations'][number] {
  // What it is being stopped for stands in its row before it has ended.
  const isEnded = iteration.phase === 'ended';
  return {
    ...iteration,
    arrived: arrivedView(iteration.arrived),
    outcome: isEnded ? iteration.outcome : null,
    reason: isEnded ? iteration.reason : null,
    startedAt: toIso(iteration.startedAt),
    endedAt: iteration.endedAt === null ? null : toIso(iteration.endedAt),
  };
}

function arrivedView(arrived: Iteration['arrived']): TaskView['iterations'][number]['arrived'] {
  const iso = (at: number | null) => (at === null ? null : toIso(at));
  return arrived === null ? null : { prompt: iso(arrived.prompt), tools: iso(arrived.tools) };
}

function checkRunView(run: CheckRun): TaskView['checkRuns'][number] {
  return { ...run, startedAt: toIso(run.startedAt), endedAt: run.endedAt === null ? null : toIso(run.endedAt) };
}

function questionView(question: Question): TaskView['questions'][number] {
  const { id, options, blocking, askedAt, iteration, answer, closedAt } = question;
  return {
    id,
    question: question.question,
    options,
    preferred: question.preferred ?? null,
    blocking,
    askedAt: toIso(askedAt),
    iteration,
    answer,
    closedAt: closedAt === null ? null : toIso(closedAt),
  };
}
