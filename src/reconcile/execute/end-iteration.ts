import type { AgentExit } from '../../agents/agent.ts';
import type { BudgetStop } from '../../domain/budget.ts';
import { sayStopAndRemedy } from '../../domain/budget-stops.ts';
import { type Ask, countsAsAttempt, type Iteration, type Signals } from '../../domain/iteration.ts';
import { withAsk } from '../../domain/question.ts';
import type { Note, Task } from '../../domain/task.ts';
import type { GuestAddress, JobState } from '../../guest/guest.ts';
import { cleanLine, cleanText, tailText } from '../../lib/clean-text.ts';
import { FleetError, isFleetError } from '../../lib/errors.ts';
import { lackedOf } from '../../loop/arrived.ts';
import { type Judgement, judgeIteration } from '../../loop/judge.ts';
import { readyVm } from './address.ts';
import type { ExecuteDeps, Executor } from './deps.ts';
import { type Heard, hear } from './hear.ts';
import { pull } from './iteration.ts';
import { keepSaid } from './keep-said.ts';
import { providerTrouble } from './limits.ts';
import { type Saved, saveWork } from './save.ts';
import { settle } from './settle.ts';

/** What of stderr stands in a reason. */
const stderrChars = 400;
const nothingSaved: Saved = { head: null, tree: null, note: null };

interface Gathered {
  job: JobState | null;
  /** Its lines of signals. */
  file: Uint8Array;
  saved: Saved;
  /** The end of what it printed there, on one line. */
  stderr: string;
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
  const gathered = at === null ? nothing() : await gather(deps, iteration, at.address, data);
  // The plan may be older than its launch.
  if (gathered === 'runs on') return 'waits';
  await endSpending(deps, iteration.id);
  const silence = silenceOf(deps, iteration.id);
  // What was silent and ended by itself before it was stopped is judged as any other.
  const stopped = data.stop && !data.silent && silence === null;
  const heard = await hear(deps, iteration, gathered.file);
  const end = { why: data.why, stopped, vmLost: data.vmLost, silence };
  const judgement = await judge(deps, iteration, { ...gathered, ...heard }, end);
  const isCalledOff = stopped && iteration.deadline > deps.clock.now();
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
  return { job: null, file: new Uint8Array(), saved: nothingSaved, stderr: '' };
}

async function gather(
  deps: ExecuteDeps,
  iteration: Iteration,
  address: GuestAddress,
  { stop, silent, why }: { stop: boolean; silent: boolean; why: string },
): Promise<Gathered | 'runs on'> {
  const { guests, runs, store } = deps;
  const look = async () => (await guests.jobs(address)).find((each) => each.id === iteration.id) ?? null;
  let job = await look();
  // It may have been decided, and never come to its guest.
  if (stop && job?.state === 'running') {
    // Silent no more.
    if (silent && job.streamBytes > iteration.streamBytes) return 'runs on';
    // Said before it is done: whoever finds it stopped after a crash must know what for.
    if (silent) store.iterations.update(iteration.id, { outcome: 'timed_out', reason: why });
    await guests.stopJob(address, iteration.id, 10_000);
    job = await look();
  }
  if (job?.state === 'running') {
    if (stop)
      throw new FleetError('guest_timed_out', `Iteration \`${iteration.id}\` does not stop in \`rf-${iteration.vm}\`.`);
    return 'runs on';
  }
  if (job !== null) await pull(deps, iteration, Number.POSITIVE_INFINITY);
  const saved = iteration.role === 'implementer' ? await saveWork(deps, iteration, address) : nothingSaved;
  if (job === null) return { ...nothing(), saved };
  const file = await guests.readJobFile(address, iteration.id, 'signals.jsonl', 1024 * 1024);
  await runs.writeFile(iteration.id, 'signals.jsonl', file);
  const stderr = await guests.readJobFile(address, iteration.id, 'stderr', 256 * 1024);
  await runs.writeFile(iteration.id, 'stderr', stderr);
  return { job, file, saved, stderr: endOf(stderr) };
}

/** That it was stopped for want of any sign of life, as it stands in its row since then; null when it was not. */
function silenceOf({ store }: ExecuteDeps, id: string): string | null {
  const { phase, outcome, reason } = store.iterations.mustGet(id);
  return phase !== 'ended' && outcome === 'timed_out' ? reason : null;
}

const unheard = 'the gateway could not be asked what the agent said';

async function judge(
  deps: ExecuteDeps,
  iteration: Iteration,
  { job, stderr, signals, arrived, isUnheard }: Gathered & Heard,
  end: { why: string; stopped: boolean; vmLost: boolean; silence: string | null },
): Promise<Judgement & { retryAt: number | null }> {
  const task = deps.store.tasks.mustGet(iteration.task);
  const adapter = deps.agent(task.agent);
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
  const stop = whyStopped(deps, iteration);
  // Only what the gateway saw: a guest cannot claim an iteration that does not count.
  const { retryAt, ...trouble } = providerTrouble(deps, task, iteration.id);
  const calledOff = end.stopped && !overTime;
  const infra = end.vmLost || job === null || job.state === 'lost' || calledOff ? end.why : null;
  const overBudget = stop === null ? null : sayStopAndRemedy(stop);
  const noCredential = deps.store.spend.ofIteration(iteration.id)?.refused === 'credential';
  const lacked = isUnheard ? unheard : arrived === null ? null : lackedOf(arrived, seen.mcp);
  const agent =
    end.silence === null ? adapter.judge(exit, seen) : { outcome: 'timed_out' as const, reason: end.silence };
  const judgement = judgeIteration({
    role: iteration.role,
    agent: withStderr(agent, stderr),
    signals,
    host: { ...trouble, overBudget, noCredential, infra, lacked },
  });
  const isProviders = judgement.outcome === 'rate_limited' || (judgement.outcome === 'infra' && infra === null);
  return { ...judgement, retryAt: isProviders ? retryAt : null };
}

/** Why a program crashed stands at the end of its stderr, if anywhere. */
function withStderr<T extends { outcome: string; reason: string }>(agent: T, stderr: string): T {
  return agent.outcome === 'crashed' && stderr !== ''
    ? { ...agent, reason: `${agent.reason}; its stderr ends: ${stderr}` }
    : agent;
}

function endOf(stderr: Uint8Array): string {
  return cleanLine(tailText(cleanText(new TextDecoder().decode(stderr)).trim(), stderrChars));
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
    ...(saved.head === null ? {} : { savedCommit: saved.head, savedTree: saved.tree, savedAt: now }),
  });
  const task = store.tasks.mustGet(iteration.task);
  if (iteration.role === 'implementer')
    store.tasks.update(
      task.id,
      afterIteration(task, saved, judgement, { isCalledOff, now, iteration, ask: signals.ask }),
    );
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
  { isCalledOff, now, iteration, ask }: { isCalledOff: boolean; now: number; iteration: Iteration; ask: Ask | null },
): Partial<Task> {
  const notes: Note[] = saved.note === null ? [] : [{ from: 'checks', at: now, text: saved.note }];
  const counters = isCalledOff
    ? { judged: iteration.id }
    : countsAsAttempt(judgement.outcome)
      ? { iterations: task.iterations + 1, uncounted: 0 }
      : { uncounted: task.uncounted + 1 };
  const questions = withAsk(task.questions, ask, { iteration: iteration.n, at: now });
  const head = saved.head === null ? {} : { head: saved.head };
  return { ...counters, ...head, notes: [...task.notes, ...notes], questions };
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
