import type { Iteration } from '../../domain/iteration.ts';
import { roleVerbs } from '../../domain/signal.ts';
import type { Task } from '../../domain/task.ts';
import { agentTelemetryPath } from '../../domain/trace.ts';
import { guestGatewayUrl, ralphUser, workspaceFolder } from '../../guest/guest.ts';
import { addressOf, readyVm } from './address.ts';
import { budgetsFor, msLeft, nodesOf } from './budget.ts';
import type { ExecuteDeps, Executor } from './deps.ts';
import { limitOfTask } from './limits.ts';
import { promptOf } from './prompt.ts';
import { saveWork } from './save.ts';

const maxStreamBytes = 256 * 1024 * 1024;
const pieceBytes = 1024 * 1024;
/** What one pull takes at most, so that a chatty agent cannot hold up the rest. */
const pullBytes = 16 * pieceBytes;

/** Decides one iteration: the row with its nonce is there before anything happens in the guest; launching follows from it. */
export const startIteration: Executor<'start_iteration'> = async (deps, data) => {
  const { store, random, clock } = deps;
  store.tx(() => {
    const task = store.tasks.get(data.task);
    const wanted = data.role === 'implementer' ? 'implementing' : 'reviewing';
    if (task === null || task.phase !== wanted || task.rewind?.isDone === false || readyVm(deps, data.vm) === null)
      return;
    const before = store.alive.iterations.rows().filter((it) => it.task === data.task);
    if (before.some((it) => it.phase !== 'ended')) return;
    // The plan may be older than a limit.
    if (limitOfTask(deps, task) !== null) return;
    const now = clock.now();
    const row: Iteration = {
      id: `it-${random.hex(4)}`,
      task: data.task,
      ralph: data.ralph,
      vm: data.vm,
      role: data.role,
      n: before.filter((it) => it.role === data.role).length + 1,
      nonce: random.hex(16),
      phase: 'started',
      outcome: null,
      reason: null,
      summary: null,
      ask: null,
      arrived: null,
      retryAt: null,
      review: data.review,
      fromCommit: task.head ?? task.base ?? '',
      savedCommit: null,
      savedTree: null,
      startedAt: now,
      endedAt: null,
      deadline: now + lengthOf(deps, task, data.role),
      streamBytes: 0,
      lastOutputAt: null,
      savedAt: null,
    };
    store.iterations.insert(row);
    if (data.role === 'implementer' && task.rewind !== null) store.tasks.update(task.id, { rewind: null });
    store.ralphs.update(data.ralph, { task: data.task, vm: data.vm, since: now });
    if (data.review !== null) store.reviews.update(data.review, { phase: 'running', iteration: row.id });
    store.events.add('iteration.started', data.task, `${data.ralph} starts iteration ${row.n} (${data.role}).`);
  });
};

/** An iteration ends with its own limit, or with what is left of the time its task may take. */
function lengthOf(deps: ExecuteDeps, task: Task, role: Iteration['role']): number {
  return Math.min(task.limits.iterationTimeoutMs, msLeft(deps, task, role) ?? Number.POSITIVE_INFINITY);
}

export const launchIteration: Executor<'launch_iteration'> = async (deps, { iteration: id }) => {
  const iteration = deps.store.iterations.get(id);
  if (iteration !== null && iteration.phase === 'started') await launch(deps, iteration);
};

/** Tunnel, limit and grant first: an agent never starts without the gateway knowing what it may spend. */
async function launch(deps: ExecuteDeps, iteration: Iteration): Promise<void> {
  const { store, gateway, guests, driver } = deps;
  const at = readyVm(deps, iteration.vm);
  if (at === null) return;
  const task = store.tasks.mustGet(iteration.task);
  const token = deps.tokenOf(iteration.id);
  const { mcpTool } = deps.agent(task.agent);
  const traced = deps.traceOf(task, iteration.id);
  await gateway.openTunnel({
    id: at.vm.id,
    endpoint: driver.endpoint(at.vm.id, 'gateway'),
    hostKey: at.address.hostKey,
  });
  await gateway.setBudgets(budgetsFor(deps, nodesOf(iteration, task)));
  await gateway.grant({
    token,
    vm: iteration.vm,
    project: task.project,
    task: task.id,
    ralph: iteration.ralph,
    iteration: iteration.id,
    role: iteration.role,
    expiresAt: iteration.deadline,
    marks: mcpTool === null ? null : { prompt: iteration.nonce, tool: mcpTool(roleVerbs[iteration.role][0]) },
    trace: traced === null ? null : { traceId: traced.traceId, spanId: traced.spanId, otlp: traced.otlp },
  });
  const job = await agentJob(deps, task, iteration, { token, traceparent: traced?.traceparent ?? null });
  store.vms.update(iteration.vm, { touched: true });
  await guests.startJob(at.address, job);
  store.tx(() => {
    if (store.iterations.mustGet(iteration.id).phase === 'started')
      store.iterations.update(iteration.id, { phase: 'running' });
  });
}

async function agentJob(
  deps: ExecuteDeps,
  task: Task,
  iteration: Iteration,
  { token, traceparent }: { token: string; traceparent: string | null },
) {
  const { config } = deps;
  const jobDir = `/var/lib/ralph/jobs/${iteration.id}`;
  const home = `/home/${ralphUser}`;
  const workspace = `${home}/${workspaceFolder}`;
  const prompt = await promptOf(deps, task, iteration);
  await deps.runs.writeFile(iteration.id, 'prompt.md', prompt);
  const promptFile = `${home}/.ralph-prompt.md`;
  const command = deps.agent(task.agent).command({
    role: iteration.role,
    home,
    workspace,
    jobDir,
    promptFile,
    model: task.model ?? config().agent.model,
    maxTurns: config().agent.maxTurns,
    gatewayUrl: guestGatewayUrl,
    token,
    telemetry: traceparent === null ? null : { url: `${guestGatewayUrl}${agentTelemetryPath}`, traceparent },
    iteration: iteration.n,
    scenario: task.scenario,
  });
  return {
    id: iteration.id,
    kind: 'agent' as const,
    user: ralphUser,
    title: iteration.ralph,
    cwd: workspace,
    argv: command.argv,
    checks: [],
    env: { ...command.env, RALPH_NONCE: iteration.nonce },
    files: [...command.files, { path: promptFile, content: prompt, mode: 0o644 }],
    paneFilter: command.paneFilter,
    timeoutSeconds: Math.max(1, Math.ceil((iteration.deadline - iteration.startedAt) / 1000)),
    maxStreamBytes,
  };
}

export const pullStream: Executor<'pull_stream'> = async (deps, { iteration: id }) => {
  const iteration = deps.store.iterations.get(id);
  if (iteration !== null && iteration.phase !== 'ended') await pull(deps, iteration, pullBytes);
  return 'waits';
};

/**
 * Brings what the agent printed since the last time to the host. The size of the file on the host is the truth: after a crash
 * it goes on at exactly that byte. Memory is bounded by one piece. Returns the bytes now on the host.
 */
export async function pull(deps: ExecuteDeps, iteration: Iteration, maxBytes: number): Promise<number> {
  const vm = deps.store.vms.mustGet(iteration.vm);
  const address = addressOf(deps, vm);
  const from = await deps.runs.streamSize(iteration.id);
  let at = from;
  while (at - from < maxBytes) {
    const bytes = await deps.guests.readStream(address, iteration.id, at, pieceBytes);
    if (bytes.length === 0) break;
    await deps.runs.writeStream(iteration.id, at, bytes);
    at += bytes.length;
  }
  if (at !== iteration.streamBytes) {
    deps.store.iterations.update(iteration.id, { streamBytes: at, lastOutputAt: deps.clock.now() });
  }
  return at;
}

export const saveWorkStep: Executor<'save_work'> = async (deps, { iteration: id }) => {
  const iteration = deps.store.iterations.get(id);
  if (iteration === null || iteration.phase === 'ended') return;
  const at = readyVm(deps, iteration.vm);
  if (at === null) return;
  const saved = await saveWork(deps, iteration, at.address);
  deps.store.tx(() => {
    const now = deps.clock.now();
    deps.store.iterations.update(id, {
      savedAt: now,
      ...(saved.head === null ? {} : { savedCommit: saved.head, savedTree: saved.tree }),
    });
    if (saved.head !== null) deps.store.tasks.update(iteration.task, { head: saved.head });
  });
};
