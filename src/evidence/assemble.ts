import type { Changes } from '../changes/changes.ts';
import type { CheckResult, CheckRun } from '../domain/check.ts';
import { reviewOf, verifyRuns } from '../domain/evidence.ts';
import { findFlaky } from '../domain/flaky.ts';
import type { CheckFacts } from '../domain/replay.ts';
import type { RunRecord } from '../domain/run-record.ts';
import type { Task } from '../domain/task.ts';
import { type Clock, toIso } from '../lib/clock.ts';
import { sha256 } from '../lib/digest.ts';
import { FleetError, isFleetError } from '../lib/errors.ts';
import type { Store } from '../store/store.ts';
import type { RecordFiles } from './records.ts';
import { type BundleParts, bundleParts, type EvidenceBundle } from './schema.ts';
import { sealBundle } from './seal.ts';

export interface AssembleDeps {
  store: Store;
  clock: Clock;
  changes: Changes;
  records: RecordFiles;
  version: string;
}

const maxHistory = 200;

/** The evidence of a task as it stands, for somebody who has nothing but this and the repository. */
export async function assembleBundle(deps: AssembleDeps, task: Task): Promise<EvidenceBundle> {
  const { store } = deps;
  const { head: commit, base } = task;
  const all = store.checkRuns.list('WHERE task = ? ORDER BY startedAt', task.id);
  const reviews = store.reviews.list('WHERE task = ?', task.id);
  const rows = commit === null || base === null ? null : { commit, base, checkRuns: all, reviews };
  const verified = rows === null ? [] : verifyRuns(rows).filter(isJudged);
  if (rows === null || verified.length === 0) {
    throw new FleetError(
      'refused',
      `There is no evidence of \`${task.id}\` to hand over: its commit was not verified yet.`,
      {
        remedy: `ralph-fleet why ${task.id}`,
      },
    );
  }
  const ofCommit = all.filter((run) => run.commit === rows.commit && run.base === rows.base);
  const history = [...all.filter((run) => run.kind === 'baseline' && run.base === rows.base), ...ofCommit].filter(
    isJudged,
  );
  const replays = store.replays.list('WHERE task = ?', task.id);
  const parts: BundleParts = {
    task: {
      id: task.id,
      title: task.title,
      project: task.project,
      branch: store.projects.get(task.project)?.branch ?? '',
      asked: task.description,
      checks: task.checks,
      commit: rows.commit,
      base: rows.base,
      change: task.changeId,
      phase: task.phase,
    },
    verified: verified.map(({ id: run, variant, tested, phase, results, record }) => ({
      ...{ run, variant, tested, phase, record },
      results: results.map(factsOf),
    })),
    runs: await recordsOf(deps, ofCommit),
    history: history.slice(-maxHistory).map(({ id: run, kind, variant, tested, phase, results, startedAt }) => ({
      ...{ run, kind, variant, tested, phase, startedAt: toIso(startedAt) },
      results: results.map(factsOf),
    })),
    flaky: findFlaky(
      ofCommit,
      replays.filter((replay) => replay.commit === rows.commit),
    ),
    review: reviewPart(rows),
    approval: approvalPart(deps, task, rows.commit),
    change: await changePart(deps, task, rows),
  };
  return sealBundle(bundleParts.parse(parts), { at: toIso(deps.clock.now()), by: `ralph-fleet ${deps.version}` });
}

type Judged = CheckRun & { phase: 'passed' | 'failed' };

function isJudged(run: CheckRun): run is Judged {
  return run.phase === 'passed' || run.phase === 'failed';
}

function factsOf({ id, passed, exitCode, timedOut, ms }: CheckResult): CheckFacts {
  return { id, passed, exitCode, timedOut, ms };
}

async function recordsOf({ records }: AssembleDeps, runs: readonly CheckRun[]): Promise<RunRecord[]> {
  const digests = new Set(runs.flatMap(({ record }) => record ?? []));
  const found: RunRecord[] = [];
  for (const digest of [...digests].slice(-20)) {
    const record = await records.read(digest);
    if (record === null) {
      throw new FleetError('storage', `The record \`${digest}\` of a run is gone, or is not what it was.`, {
        remedy: 'Put it back from a copy of the state folder; the evidence is not whole without it.',
      });
    }
    found.push(record);
  }
  return found;
}

function reviewPart(rows: Parameters<typeof reviewOf>[0]): BundleParts['review'] {
  const review = reviewOf(rows);
  if (review === null) return null;
  const { phase, round, findings, summary, at } = review;
  return { phase, round, findings, summary, at: toIso(at) };
}

function approvalPart({ store }: AssembleDeps, task: Task, commit: string): BundleParts['approval'] {
  const given = store.approvals.list('WHERE task = ? AND "commit" = ? ORDER BY id', task.id, commit).at(-1);
  if (given === undefined) return null;
  const { decision, by, channel, at, notes, evidence } = given;
  return { decision, by, channel, at: toIso(at), notes, evidence };
}

async function changePart(
  { changes }: AssembleDeps,
  task: Task,
  { base, commit }: { base: string; commit: string },
): Promise<BundleParts['change']> {
  try {
    const bytes = await changes.exportChange(task.project, base, commit);
    if (bytes === null) return null;
    return { bytes: bytes.length, sha256: sha256(bytes), base64: Buffer.from(bytes).toString('base64') };
  } catch (error) {
    if (isFleetError(error, 'too_large')) return null;
    throw error;
  }
}
