import type { AgentExit } from '../../agents/agent.ts';
import type { BudgetStop } from '../../domain/budget.ts';
import { sayStopAndRemedy } from '../../domain/budget-stops.ts';
import { countsAsAttempt, type Iteration, type Signals } from '../../domain/iteration.ts';
import type { Note, Task } from '../../domain/task.ts';
import type { GuestAddress, JobState } from '../../guest/guest.ts';
import { FleetError, isFleetError } from '../../lib/errors.ts';
import { lackedOf } from '../../loop/arrived.ts';
import { type Judgement, judgeIteration } from '../../loop/judge.ts';
import { readyVm } from './address.ts';
import type { ExecuteDeps, Executor } from './deps.ts';
import { type Heard, hear } from './hear.ts';
import { pull } from './iteration.ts';
import { keepSaid } from './keep-said.ts';
import { type Saved, saveWork } from './save.ts';
import { settle } from './settle.ts';

interface Gathered {
  job: JobState | null;
  /** Its lines of signals. */
  file: Uint8Array;
  saved: Saved;
}

/**
 * Ends an iteration exactly once: its process stopped if need be, the rest of its stream read, its work stored, and only then
 * the row closed, in one transaction with all that follows from it.
 */
export const endIteration: Executor<'end_iteration'> = async (deps, data) => {
  const { store } = deps;
  const iteration = store.iterations.get(data.iteration);
  if (iteration === null || iteration.phase === 'ended') return;
  const at = data.vmLost ? null : readyVm(deps, iteration.vm);
  if (at === null && !data.vmLost) return;
  const gathered = at === null ? nothing() : await gather(deps, iteration, at.address, data.stop);
  // The plan may be older than its launch.
  if (gathered === 'runs on') return 'waits';
  await endSpending(deps, iteration.id);
  const heard = await hear(deps, iteration, gathered.file);
  const judgement = await judge(deps, iteration, gathered, heard, {
    why: data.why,
    stopped: data.stop,
    vmLost: data.vmLost,
  });
  const isCalledOff = data.stop && store.iterations.mustGet(iteration.id).deadline > deps.clock.now();
  store.tx(() => close(deps, iteration, { ...gathered, ...heard }, judgement, isCalledOff));
};

/** What was spent must be known before the iteration is judged; a fleet on its way down does not wait for a gateway that is away. */
async function endSpending(deps: ExecuteDeps, iteration: string): Promise<void> {
  try {
    await deps.gateway.revoke(iteration);
    await settle(deps);
  } catch (error) {
    if (!isFleetError(error, 'gateway_unavailable') || deps.store.fleet().desire === 'up') throw error;
    deps.log.warn({ iteration, err: error }, 'the gateway could not be told that an iteration ended');
  }
}

function nothing(): Gathered {
  return { job: null, file: new Uint8Array(), saved: { head: null, note: null } };
}

async function gather(
  deps: ExecuteDeps,
  iteration: Iteration,
  address: GuestAddress,
  stop: boolean,
): Promise<Gathered | 'runs on'> {
  const { guests, runs } = deps;
  const look = async () => (await guests.jobs(address)).find((each) => each.id === iteration.id) ?? null;
  let job = await look();
  // It may have been decided, and never come to its guest.
  if (stop && job?.state === 'running') {
    await guests.stopJob(address, iteration.id, 10_000);
    job = await look();
  }
  if (job?.state === 'running') {
    if (stop)
      throw new FleetError('guest_timed_out', `Iteration \`${iteration.id}\` does not stop in \`rf-${iteration.vm}\`.`);
    return 'runs on';
  }
  if (job !== null) await pull(deps, iteration, Number.POSITIVE_INFINITY);
  const saved =
    iteration.role === 'implementer' ? await saveWork(deps, iteration, address) : { head: null, note: null };
  if (job === null) return { job, file: new Uint8Array(), saved };
  const file = await guests.readJobFile(address, iteration.id, 'signals.jsonl', 1024 * 1024);
  await runs.writeFile(iteration.id, 'signals.jsonl', file);
  await runs.writeFile(iteration.id, 'stderr', await guests.readJobFile(address, iteration.id, 'stderr', 256 * 1024));
  return { job, file, saved };
}

const unheard = 'the gateway could not be asked what the agent said';

async function judge(
  deps: ExecuteDeps,
  iteration: Iteration,
  { job }: Gathered,
  { signals, arrived, isUnheard }: Heard,
  end: { why: string; stopped: boolean; vmLost: boolean },
): Promise<Judgement & { retryAt: number | null }> {
  const adapter = deps.agent(deps.store.tasks.mustGet(iteration.task).agent);
  const parser = adapter.parser();
  const size = await deps.runs.streamSize(iteration.id);
  for (let at = 0; at < size; ) {
    const bytes = await deps.runs.readStream(iteration.id, at, 1024 * 1024);
    if (bytes.length === 0) break;
    parser.push(bytes);
    at += bytes.length;
  }
  parser.end();
  const seen = parser.summary();
  const overTime = deps.clock.now() > iteration.deadline;
  const exit: AgentExit = {
    exitCode: job?.end?.exitCode ?? null,
    signal: job?.end?.signal ?? null,
    timedOut: job?.end?.timedOut === true || (end.stopped && overTime),
  };
  const spent = deps.store.spend.ofIteration(iteration.id);
  const stop = whyStopped(deps, iteration);
  // Only what the gateway saw: a guest cannot claim an iteration that does not count.
  const limitedUntil = spent?.retryAt ?? 0;
  const calledOff = end.stopped && !overTime;
  const judgement = judgeIteration({
    role: iteration.role,
    agent: adapter.judge(exit, seen),
    signals,
    host: {
      rateLimitedUntil: limitedUntil > deps.clock.now() ? limitedUntil : null,
      overBudget: stop === null ? null : sayStopAndRemedy(stop),
      infra: end.vmLost || job === null || job.state === 'lost' || calledOff ? end.why : null,
      lacked: isUnheard ? unheard : arrived === null ? null : lackedOf(arrived, seen.mcp),
    },
  });
  return { ...judgement, retryAt: limitedUntil > deps.clock.now() ? limitedUntil : null };
}

/** The level of the budget tree that refused its calls. Time that is up shows as a run that timed out; what it made is looked at first. */
function whyStopped({ store, clock }: ExecuteDeps, iteration: Iteration): BudgetStop | null {
  const { refused = null, shortfall = null } = store.spend.ofIteration(iteration.id) ?? {};
  const isBudget = refused === 'tokens' || refused === 'usd' || refused === 'calls';
  return isBudget && shortfall !== null ? { ...shortfall, at: clock.now() } : null;
}

function close(
  deps: ExecuteDeps,
  iteration: Iteration,
  { saved, signals, arrived }: Gathered & Heard,
  judgement: Judgement & { retryAt: number | null },
  isCalledOff: boolean,
): void {
  const { store, clock } = deps;
  if (store.iterations.mustGet(iteration.id).phase === 'ended') return;
  const now = clock.now();
  store.iterations.update(iteration.id, {
    phase: 'ended',
    outcome: judgement.outcome,
    reason: judgement.reason,
    summary: judgement.summary,
    ask: signals.ask,
    arrived,
    retryAt: judgement.retryAt,
    endedAt: now,
    ...(saved.head === null ? {} : { savedCommit: saved.head, savedAt: now }),
  });
  const task = store.tasks.mustGet(iteration.task);
  if (iteration.role === 'implementer')
    store.tasks.update(task.id, afterIteration(task, saved, judgement, { isCalledOff, now, iteration: iteration.id }));
  else if (iteration.review !== null) closeReview(deps, iteration, signals, judgement, isCalledOff);
  keepSaid(deps, iteration, signals);
  const vm = store.vms.mustGet(iteration.vm);
  if (vm.phase === 'ready' && vm.failure !== null) store.vms.update(vm.id, { failure: null });
  store.events.add(
    'iteration.ended',
    task.id,
    `${iteration.ralph}, iteration ${iteration.n}: ${judgement.outcome}, ${judgement.reason}`,
  );
}

/** What an iteration leaves on its task. One that was called off from outside counts nowhere and needs no judging. */
function afterIteration(
  task: Task,
  saved: Saved,
  judgement: Judgement,
  { isCalledOff, now, iteration }: { isCalledOff: boolean; now: number; iteration: string },
): Partial<Task> {
  const notes: Note[] = saved.note === null ? [] : [{ from: 'checks', at: now, text: saved.note }];
  const counters = isCalledOff
    ? { judged: iteration }
    : countsAsAttempt(judgement.outcome)
      ? { iterations: task.iterations + 1, uncounted: 0 }
      : { uncounted: task.uncounted + 1 };
  return { ...counters, notes: [...task.notes, ...notes], ...(saved.head === null ? {} : { head: saved.head }) };
}

function closeReview(
  deps: ExecuteDeps,
  iteration: Iteration,
  signals: Signals,
  judgement: Judgement,
  isCalledOff: boolean,
): void {
  const { store, clock } = deps;
  const review = iteration.review === null ? null : store.reviews.get(iteration.review);
  if (review === null || review.iteration !== iteration.id) return;
  const { verdict } = signals;
  if (verdict === null || judgement.outcome === 'infra') {
    const isTry = !isCalledOff && countsAsAttempt(judgement.outcome);
    const attempts = review.attempts + (isTry ? 1 : 0);
    const phase = isTry ? 'inconclusive' : 'requested';
    store.reviews.update(review.id, { phase, attempts, summary: judgement.reason, at: clock.now() });
    const task = store.tasks.mustGet(iteration.task);
    if (!isTry && !isCalledOff) store.tasks.update(task.id, { uncounted: task.uncounted + 1 });
    return;
  }
  const phase = verdict.decision === 'approve' ? 'approved' : 'changes_requested';
  store.reviews.update(review.id, { phase, findings: verdict.findings, summary: verdict.summary, at: clock.now() });
}
