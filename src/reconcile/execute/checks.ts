import type { CheckResult, CheckRun } from '../../domain/check.ts';
import { allPassed } from '../../domain/check.ts';
import { isEnded, type Task } from '../../domain/task.ts';
import type { GuestAddress } from '../../guest/guest.ts';
import { findRun } from '../plan/checks.ts';
import type { StepMap } from '../plan/step.ts';
import { readyVm } from './address.ts';
import { checksJob, protectedAt, readOutputs, readResults, restoredFolder, seedFolder } from './check-job.ts';
import type { ExecuteDeps, Executor } from './deps.ts';
import { runRecord } from './run-record.ts';

/** Starts one run of all the task's checks as a job in the guest. The row is there first; a row left at `wanted` is taken again. */
export const startChecks: Executor<'start_checks'> = async (deps, data) => {
  const { store, guests } = deps;
  const task = store.tasks.get(data.task);
  const at = readyVm(deps, data.vm);
  if (task === null || at === null || !['claimed', 'implementing', 'verifying'].includes(task.phase)) return;
  const tested = data.variant === 'restored' ? await restored(deps, task, data) : data.commit;
  const run = wantedRun(deps, data, tested);
  if (run === null) return;
  if (data.variant === 'restored' && tested === data.commit) {
    takeOver(deps, run);
    return;
  }
  // Both folders stand there before any code of the project runs: the second must not be made from what the first has left.
  if (data.kind === 'verify') await seedRestored(deps, task, data);
  await guests.startJob(at.address, checksJob(run.id, data.variant === 'restored', task.checks));
  store.tx(() => {
    if (store.checkRuns.mustGet(run.id).phase !== 'wanted') return;
    store.checkRuns.update(run.id, { phase: 'running' });
    store.events.add(
      `checks.${data.kind}`,
      data.task,
      `${task.checks.length} checks (${data.kind}) run on ${data.commit.slice(0, 10)}.`,
    );
  });
};

async function seedRestored(deps: ExecuteDeps, task: Task, data: StepMap['start_checks']): Promise<void> {
  const commit = await restored(deps, task, data);
  const at = readyVm(deps, data.vm);
  if (at === null || commit === data.commit) return;
  await seedFolder(deps, { id: data.vm, ...at }, { project: task.project, commit, folder: restoredFolder });
}

async function restored(deps: ExecuteDeps, task: Task, data: StepMap['start_checks']): Promise<string> {
  const { project } = task;
  return deps.changes.restoreProtected(project, data.base, data.commit, await protectedAt(deps, project, data.base));
}

/** The row for this run: a new one, or the one a crash left at `wanted`; null when it runs or ended already. */
function wantedRun(
  { store, random, clock }: ExecuteDeps,
  data: StepMap['start_checks'],
  tested: string,
): CheckRun | null {
  return store.tx(() => {
    if (isEnded(store.tasks.mustGet(data.task).phase)) return null;
    const same = findRun({ checkRuns: store.alive.checkRuns.rows() }, data);
    if (same?.phase === 'wanted') {
      const run = { ...same, vm: data.vm, tested, startedAt: clock.now() };
      store.checkRuns.update(same.id, run);
      return run;
    }
    if (same !== null && same.phase !== 'infra' && same.id !== data.again) return null;
    const run: CheckRun = {
      id: `ck-${random.hex(4)}`,
      task: data.task,
      kind: data.kind,
      variant: data.variant,
      commit: data.commit,
      tested,
      base: data.base,
      vm: data.vm,
      iteration: data.iteration,
      phase: 'wanted',
      results: [],
      startedAt: clock.now(),
      endedAt: null,
      failure: null,
      record: null,
    };
    store.checkRuns.insert(run);
    return run;
  });
}

/** No protected file differs from the base: what ran as committed is the very same tree. */
function takeOver({ store, clock }: ExecuteDeps, run: CheckRun): void {
  store.tx(() => {
    const asCommitted = store.checkRuns.list(
      "WHERE task = ? AND kind = 'verify' AND variant = 'as-committed' AND \"commit\" = ? AND base = ? AND phase = 'passed' LIMIT 1",
      run.task,
      run.commit,
      run.base,
    )[0];
    if (asCommitted === undefined) return;
    const { results, record } = asCommitted;
    store.checkRuns.update(run.id, { phase: 'passed', results, record, endedAt: clock.now() });
  });
}

export const endChecks: Executor<'end_checks'> = async (deps, { checkRun: id, lost, why }) => {
  const { store, guests, clock } = deps;
  const run = store.checkRuns.get(id);
  if (run === null || run.phase !== 'running') return;
  const task = store.tasks.mustGet(run.task);
  const at = lost || run.vm === null ? null : readyVm(deps, run.vm);
  let results: CheckResult[] = [];
  let failure: string | null = why;
  let record: string | null = null;
  if (at !== null) {
    const job = (await guests.jobs(at.address)).find((each) => each.id === id);
    // The plan may be older than its start.
    if (job?.state === 'running') return 'waits';
    results = await readResults(deps, at.address, id, task.checks);
    failure =
      results.length === task.checks.length
        ? null
        : `${results.length} of ${task.checks.length} checks reported a result (${why})`;
    if (failure === null && run.kind === 'verify') record = await keepRecord(deps, at.address, run, results);
  } else if (!lost) return 'waits';
  const phase = failure !== null ? 'infra' : allPassed(results) ? 'passed' : 'failed';
  const calledOut = run.kind === 'verify' && phase !== 'infra' ? await countCalledOut(deps, task, run) : task.calledOut;
  store.tx(() => {
    if (store.checkRuns.mustGet(id).phase !== 'running') return;
    store.checkRuns.update(id, { phase, results, endedAt: clock.now(), failure, record });
    if (calledOut !== task.calledOut) store.tasks.update(task.id, { calledOut });
    const passed = results.filter((r) => r.passed).length;
    store.events.add(
      `checks.${phase}`,
      run.task,
      failure ?? `${passed} of ${results.length} checks passed (${run.kind}, ${run.variant}).`,
    );
  });
};

/** The file is there before the row names it; one that was written twice is one. */
async function keepRecord(
  deps: ExecuteDeps,
  address: GuestAddress,
  run: CheckRun,
  results: CheckResult[],
): Promise<string | null> {
  const task = deps.store.tasks.mustGet(run.task);
  const { about, outputs } = await readOutputs(deps, address, run.id);
  const patterns = await protectedAt(deps, task.project, run.base);
  const { services } = deps.store.projects.mustGet(task.project).settings;
  const record = runRecord(deps, run, { checks: task.checks, results, outputs, about, protected: patterns, services });
  return record === null ? null : deps.records.write(record);
}

async function countCalledOut(deps: ExecuteDeps, task: Task, run: CheckRun): Promise<number> {
  const patterns = await protectedAt(deps, task.project, run.base);
  const files = await deps.changes.files(task.project, run.base, run.commit, patterns);
  return files.filter((file) => file.isProtected).length;
}
