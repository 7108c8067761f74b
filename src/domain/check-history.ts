import type { Check, CheckResult, CheckRun } from './check.ts';
import type { Iteration } from './iteration.ts';

/** What the rows know of a task's checks over time. */
export interface CheckHistory {
  checkRuns: readonly CheckRun[];
  iterations: readonly Iteration[];
}

/** For each check that has passed on the way to `run`: when it did so last, in words. */
export function passedBefore(history: CheckHistory, run: CheckRun): Map<string, string> {
  const earlier = history.checkRuns.filter(
    (other) => other.task === run.task && other.base === run.base && other.id !== run.id && isFeedback(other),
  );
  const when = new Map<string, string>();
  for (const other of earlier.toSorted((a, b) => a.startedAt - b.startedAt)) {
    if (other.startedAt > run.startedAt) continue;
    for (const { id, passed } of other.results) if (passed) when.set(id, whenOf(history, other, run));
  }
  return when;
}

function isFeedback(run: CheckRun): boolean {
  return run.kind !== 'verify' && (run.phase === 'passed' || run.phase === 'failed');
}

function whenOf({ iterations }: CheckHistory, run: CheckRun, later: CheckRun): string {
  if (run.kind === 'baseline') return 'before any work';
  const n = iterations.find((iteration) => iteration.id === run.iteration)?.n;
  const after = n === undefined ? 'after an earlier iteration' : `after iteration ${n}`;
  return run.commit === later.commit && later.kind === 'verify' ? `${after}, on this very commit` : after;
}

/** How each check stands: before any work, and after the last iteration that was looked at. */
export function checkStandings(checks: readonly Check[], base: string | null, history: CheckHistory) {
  const runs = history.checkRuns.filter((run) => run.base === base && isFeedback(run));
  const newest = (kind: CheckRun['kind']) =>
    runs
      .filter((run) => run.kind === kind)
      .reduce<CheckRun | null>((last, run) => (last === null || run.startedAt >= last.startedAt ? run : last), null);
  const [baseline, loop] = [newest('baseline'), newest('loop')];
  return new Map(checks.map(({ id }) => [id, standing(resultIn(baseline, id), resultIn(loop, id))]));
}

function resultIn(run: CheckRun | null, id: string): CheckResult | null {
  return run?.results.find((result) => result.id === id) ?? null;
}

function standing(before: CheckResult | null, now: CheckResult | null): string {
  const first =
    before === null ? 'Not run before the work.' : `Before any work it ${before.passed ? 'passed' : 'failed'}.`;
  return now === null ? first : `${first} Last it ${now.passed ? 'passed' : 'failed'}.`;
}
