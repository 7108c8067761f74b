import type { Approval } from '../../domain/approval.ts';
import type { CheckRun } from '../../domain/check.ts';
import type { FleetEvent, Spend } from '../../domain/fleet.ts';
import { countsAsAttempt, type Iteration } from '../../domain/iteration.ts';
import type { Review } from '../../domain/review.ts';
import { isEnded, type Task, type TaskPhase, taskPhases } from '../../domain/task.ts';
import { genAi, general, operations, ours } from './attributes.ts';
import { iterationRef, type Keyed, spanId, taskRef } from './ids.ts';
import { type Attributes, known, type Span, timeOf } from './span.ts';

/**
 * A task's spans, from its rows alone: the same rows make the same spans, ids included.
 *
 *   task
 *   ├ wait                      in a phase in which nothing of the task runs
 *   ├ checks (baseline)
 *   ├ invoke_agent implementer  (below it, from elsewhere: the agent's own spans, `chat`, `execute_tool`)
 *   │ └ checks (loop) > check
 *   ├ verify > checks (verify) > check
 *   ├ review > invoke_agent reviewer
 *   ├ approval                  from when it waits for a person to when they have spoken
 *   └ integrate
 *
 * Only what has ended is there: the parent of a span that runs on comes later, under the id its children already name.
 */
export interface TaskRows {
  task: Task;
  iterations: readonly Iteration[];
  checkRuns: readonly CheckRun[];
  reviews: readonly Review[];
  approvals: readonly Approval[];
  /** Oldest first. */
  events: readonly FleetEvent[];
  spendOf: (iteration: string) => (Spend & { imputedUsd: number }) | null;
}

export interface TaskSpansDeps {
  keyed: Keyed;
  fleet: string;
  /** Whose models an agent CLI calls; null when it calls none. */
  providerOf: (agent: string) => string | null;
}

/** A stretch of time in one phase. `end` null: it is in it now. */
interface Stretch {
  phase: TaskPhase;
  seq: number;
  start: number;
  end: number | null;
  next: TaskPhase | null;
}

const waits: readonly TaskPhase[] = [
  ...(['waiting', 'ready', 'claimed'] as const),
  ...(['paused', 'needs_input', 'rate_limited', 'over_budget', 'stalled', 'blocked'] as const),
];
const named: Partial<Record<TaskPhase, string>> = {
  verifying: 'verify',
  reviewing: 'review',
  awaiting_approval: 'approval',
  integrating: 'integrate',
  ...Object.fromEntries(waits.map((phase) => [phase, 'wait'])),
};

export function taskSpans(deps: TaskSpansDeps, rows: TaskRows): Span[] {
  const { task } = rows;
  const stretches = stretchesOf(rows);
  const frame: Frame = {
    ...{ ...deps, rows, stretches, root: taskRef(deps.keyed, task) },
    common: known({
      [ours.fleet]: deps.fleet,
      [ours.project]: task.project,
      [ours.task]: task.id,
      [ours.change]: task.changeId,
    }),
  };
  return [
    ...rows.iterations.flatMap((iteration) => iterationSpan(frame, iteration)),
    ...rows.checkRuns.flatMap((run) => checkSpans(frame, run)),
    ...stretches.flatMap((stretch) => stretchSpan(frame, stretch)),
    ...rootSpan(frame),
  ];
}

interface Frame extends TaskSpansDeps {
  rows: TaskRows;
  stretches: readonly Stretch[];
  root: { traceId: string; spanId: string };
  common: Attributes;
}

type Made = Pick<Span, 'spanId' | 'name' | 'attributes'> & {
  parent: string | null;
  start: number;
  end: number;
  isError?: boolean;
};

function span({ root, common }: Frame, made: Made): Span {
  return {
    traceId: root.traceId,
    spanId: made.spanId,
    parentSpanId: made.parent,
    name: made.name,
    kind: 'internal',
    start: timeOf(made.start),
    end: timeOf(Math.max(made.start, made.end)),
    attributes: { ...common, ...made.attributes },
    isError: made.isError ?? false,
    from: 'ralph-fleet',
  };
}

/** One that failed and is started again comes once more, longer, under the same id. */
function rootSpan(frame: Frame): Span[] {
  const { task } = frame.rows;
  if (!isEnded(task.phase)) return [];
  return [
    span(frame, {
      spanId: frame.root.spanId,
      parent: null,
      name: 'task',
      start: task.createdAt,
      end: task.since,
      isError: task.phase === 'failed',
      attributes: { [ours.taskPhase]: task.phase },
    }),
  ];
}

function iterationSpan(frame: Frame, iteration: Iteration): Span[] {
  const { id, endedAt, outcome, role } = iteration;
  if (iteration.phase !== 'ended' || endedAt === null || outcome === null) return [];
  const { task, spendOf } = frame.rows;
  const spend = spendOf(id);
  const isError = !['done', 'partial', 'stuck'].includes(outcome);
  const at = role === 'reviewer' ? stretchAt(frame, 'reviewing', iteration.startedAt) : null;
  return [
    span(frame, {
      spanId: iterationRef(frame.keyed, task, id).spanId,
      parent: at ?? frame.root.spanId,
      name: `${operations.agent} ${role}`,
      start: iteration.startedAt,
      end: endedAt,
      isError,
      attributes: known({
        [genAi.operation]: operations.agent,
        [genAi.provider]: frame.providerOf(task.agent),
        [genAi.agentName]: role,
        [genAi.requestModel]: task.model,
        [ours.ralph]: iteration.ralph,
        [ours.role]: role,
        [ours.vm]: iteration.vm,
        [ours.iteration]: id,
        [ours.iterationNumber]: iteration.n,
        [ours.outcome]: outcome,
        [ours.isCounted]: countsAsAttempt(outcome),
        [ours.commitBefore]: iteration.fromCommit || null,
        [ours.commit]: iteration.savedCommit,
        [ours.modelCalls]: spend?.calls,
        [ours.tokens]: spend?.tokens,
        [ours.costUsd]: spend?.usd,
        [ours.isImputed]: spend === null ? null : spend.imputedUsd > 0,
        [general.error]: isError ? outcome : null,
      }),
    }),
  ];
}

function checkSpans(frame: Frame, run: CheckRun): Span[] {
  const { id, kind, startedAt: start, endedAt: end } = run;
  if (end === null || run.phase === 'wanted' || run.phase === 'running') return [];
  const own = spanId(frame.keyed, `checks ${id}`);
  const parent =
    run.iteration !== null && kind === 'loop'
      ? iterationRef(frame.keyed, frame.rows.task, run.iteration).spanId
      : kind === 'verify'
        ? stretchAt(frame, 'verifying', start)
        : null;
  const whole = span(frame, {
    spanId: own,
    parent: parent ?? frame.root.spanId,
    name: 'checks',
    start,
    end,
    isError: run.phase === 'infra',
    attributes: known({
      [ours.checksKind]: kind,
      [ours.checksVariant]: run.variant,
      [ours.result]: run.phase,
      [ours.checksPassed]: run.results.filter(({ passed }) => passed).length,
      [ours.checksTotal]: run.results.length,
      [ours.commit]: run.commit,
      [ours.iteration]: run.iteration,
      [ours.vm]: run.vm,
      [general.error]: run.phase === 'infra' ? 'infra' : null,
    }),
  });
  return [whole, ...eachCheck(frame, run, own)];
}

/** They run one after the other; how long each took is known, not when it began. Results taken over from another run have no time here. */
function eachCheck(frame: Frame, run: CheckRun, parent: string): Span[] {
  const total = run.results.reduce((sum, { ms }) => sum + ms, 0);
  if (total > (run.endedAt ?? 0) - run.startedAt) return [];
  let at = (run.endedAt ?? 0) - total;
  return run.results.map((result) => {
    const start = at;
    at += result.ms;
    return span(frame, {
      spanId: spanId(frame.keyed, `check ${result.id} of ${run.id}`),
      parent,
      name: 'check',
      start,
      end: at,
      attributes: known({
        [ours.check]: result.id,
        [ours.exitCode]: result.exitCode,
        [ours.isTimedOut]: result.timedOut,
        [ours.result]: result.passed ? 'passed' : 'failed',
        [ours.checksKind]: run.kind,
        [ours.commit]: run.commit,
      }),
    });
  });
}

function stretchSpan(frame: Frame, stretch: Stretch): Span[] {
  const name = named[stretch.phase];
  const { start, end, phase } = stretch;
  if (name === undefined || end === null) return [];
  const isWithin = (at: number) => at >= start && at <= end;
  const review = frame.rows.reviews.findLast(({ at }) => phase === 'reviewing' && isWithin(at));
  const approval = frame.rows.approvals.findLast(({ at }) => phase === 'awaiting_approval' && isWithin(at));
  return [
    span(frame, {
      spanId: stretchId(frame, stretch),
      parent: frame.root.spanId,
      name,
      start,
      end,
      attributes: known({
        [ours.taskPhase]: phase,
        [ours.result]: stretch.next,
        [ours.reviewRound]: review?.round,
        [ours.verdict]: review?.phase,
        [ours.findings]: review?.findings.length,
        [ours.decision]: approval?.decision,
        [ours.channel]: approval?.channel,
        [ours.commit]: review?.commit ?? approval?.commit,
      }),
    }),
  ];
}

function stretchId({ keyed, rows }: Frame, { seq }: Stretch): string {
  return spanId(keyed, `phase of ${rows.task.id} since event ${seq}`);
}

/** The span of the stretch in which that happened, when there is one. */
function stretchAt(frame: Frame, phase: TaskPhase, at: number): string | null {
  const found = frame.stretches.findLast((it) => it.phase === phase && it.start <= at && at <= (it.end ?? at));
  return found === undefined ? null : stretchId(frame, found);
}

/** From the events of its moves; one that only says another reason moves nothing. */
function stretchesOf({ task, events }: TaskRows): Stretch[] {
  const first = task.dependsOn.length > 0 ? 'waiting' : 'ready';
  const stretches: Stretch[] = [];
  for (const { kind, seq, at } of events) {
    const phase = kind === 'task.submitted' ? first : taskPhases.find((it) => kind === `task.${it}`);
    const last = stretches.at(-1);
    if (phase === undefined || last?.phase === phase) continue;
    if (last !== undefined) Object.assign(last, { end: at, next: phase });
    stretches.push({ phase, seq, start: at, end: null, next: null });
  }
  return stretches;
}
