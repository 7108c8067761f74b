import type { EvidenceView } from '../contract/evidence.ts';
import type { FileView } from '../contract/task-view.ts';
import type { CheckResult, CheckRun } from '../domain/check.ts';
import { evidenceDigest, reviewOf, verifyRuns } from '../domain/evidence.ts';
import type { Iteration } from '../domain/iteration.ts';
import type { Task } from '../domain/task.ts';
import { toIso } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import type { QueryDeps } from './deps.ts';
import { flagsOf } from './flags.ts';
import { flakyOf } from './flaky.ts';
import { toSpent } from './spent.ts';

/** What an approval is given on. `files` and `baseIsTip` come from the repository. */
export function evidenceView(
  deps: QueryDeps,
  task: Task,
  facts: { files: FileView[]; baseIsTip: boolean | null },
): EvidenceView {
  const { store, clock } = deps;
  const { head: commit, base } = task;
  if (commit === null || base === null) {
    throw new FleetError(
      'refused',
      `There is no evidence for \`${task.id}\` yet: it is \`${task.phase}\` and nothing of it is saved.`,
      {
        remedy: `ralph-fleet why ${task.id}`,
      },
    );
  }
  const checkRuns = store.checkRuns.list('WHERE task = ?', task.id);
  const reviews = store.reviews.list('WHERE task = ?', task.id);
  const rows = { commit, base, checkRuns, reviews };
  const iterations = store.iterations.list('WHERE task = ? ORDER BY startedAt', task.id);
  return {
    task: task.id,
    title: task.title,
    project: task.project,
    asked: task.description,
    since: toIso(task.since),
    phase: task.phase,
    commit,
    base,
    baseBranch: store.projects.get(task.project)?.branch ?? '',
    baseIsTip: facts.baseIsTip,
    digest: evidenceDigest(rows),
    dependents: dependentsOf(deps, task),
    proof: proofOf(deps, task, verifyRuns(rows), checkRuns),
    flaky: flakyOf(deps, task),
    calledOut: facts.files.filter((file) => file.isProtected).map(calledOut),
    review: reviewPart(deps, task, rows),
    files: facts.files,
    cost: {
      iterations: task.iterations,
      uncounted: task.uncounted,
      spent: {
        ...toSpent(store.spend.ofTask(task.id), iterations, clock.now()),
        imputedUsd: store.spend.imputedUsd({ task: task.id }),
      },
      limitUsd: task.limits.maxUsd,
    },
    arrived: arrivedOf(iterations),
    flags: flagsOf(deps, task),
    said: iterations.findLast((it) => it.role === 'implementer' && it.summary !== null)?.summary ?? null,
    undo: `branch ralph/${task.id}, one commit; once merged: git revert the merged commit`,
  };
}

function arrivedOf(iterations: readonly Iteration[]): EvidenceView['arrived'] {
  const looked = iterations.flatMap((it) => it.arrived ?? []);
  if (looked.length === 0) return null;
  const seen = (what: 'prompt' | 'tools') => looked.filter((it) => it[what] !== null).length;
  return { iterations: looked.length, prompt: seen('prompt'), tools: seen('tools') };
}

function proofOf({ store }: QueryDeps, task: Task, runs: CheckRun[], all: CheckRun[]): EvidenceView['proof'] {
  const asCommitted = runs.find((run) => run.variant === 'as-committed');
  const restored = runs.find((run) => run.variant === 'restored' && run.tested !== run.commit);
  const baseline = all.find((run) => run.kind === 'baseline' && run.base === task.base && run.phase !== 'infra');
  const passedBoth = (id: string) => result(asCommitted, id)?.passed === true && result(restored, id)?.passed !== false;
  const vm = asCommitted?.vm ?? null;
  return {
    passed: task.checks.filter((check) => passedBoth(check.id)).length,
    total: task.checks.length,
    ms: runs.reduce((sum, run) => sum + Math.max(0, (run.endedAt ?? run.startedAt) - run.startedAt), 0),
    vm: vm === null ? null : `rf-${vm}`,
    cleanVm: vm !== null && store.vms.get(vm)?.touched === false,
    rows: task.checks.map((check) => ({
      id: check.id,
      description: check.description,
      run: check.run,
      baseline: result(baseline, check.id),
      asCommitted: result(asCommitted, check.id),
      restored: result(restored, check.id),
    })),
  };
}

function result(run: CheckRun | undefined, id: string): CheckResult | null {
  return run?.results.find((each) => each.id === id) ?? null;
}

function reviewPart({ store }: QueryDeps, task: Task, rows: Parameters<typeof reviewOf>[0]): EvidenceView['review'] {
  const review = reviewOf(rows);
  if (review === null || review.phase === 'requested' || review.phase === 'running') return null;
  const earlier = store.reviews.list("WHERE task = ? AND phase = 'changes_requested' AND id <> ?", task.id, review.id);
  return {
    verdict: review.phase,
    round: review.round,
    rounds: task.limits.reviewRounds,
    findings: review.findings,
    solvedEarlier: review.phase === 'approved' ? earlier.reduce((sum, each) => sum + each.findings.length, 0) : 0,
    summary: review.summary,
  };
}

function dependentsOf({ store }: QueryDeps, task: Task): string[] {
  return store.tasks
    .list("WHERE phase = 'waiting'")
    .filter((other) => other.dependsOn.includes(task.id))
    .map((other) => other.id);
}

function calledOut(file: FileView): EvidenceView['calledOut'][number] {
  const kind = file.risk === 'build' ? 'ci-changed' : file.status === 'deleted' ? 'test-deleted' : 'protected-changed';
  const counts = file.added === null ? 'binary' : `+${file.added} -${file.deleted ?? 0}`;
  return { kind, path: file.path, what: `${file.status}, ${counts}` };
}
