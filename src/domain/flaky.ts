import type { CheckResult, CheckRun } from './check.ts';
import type { Replay } from './replay.ts';

/** A check that passed and failed on one and the same tree: it says little about the change. */
export interface Flaky {
  check: string;
  /** The commit whose tree ran. */
  commit: string;
  passed: number;
  runs: number;
}

interface Judged {
  tested: string;
  results: readonly Pick<CheckResult, 'id' | 'passed'>[];
}

/** In all runs of a task there were, wherever they ran: in the implementer's VM, in a clean one, in a replay. */
export function findFlaky(runs: readonly CheckRun[], replays: readonly Replay[] = []): Flaky[] {
  const judged = [...runs.filter(isOfItsOwn), ...replays.flatMap(judgedIn)];
  const found = new Map<string, Flaky>();
  for (const { tested, results } of judged) {
    for (const { id, passed } of results) {
      const key = `${id} ${tested}`;
      const known = found.get(key) ?? { check: id, commit: tested, passed: 0, runs: 0 };
      found.set(key, { ...known, passed: known.passed + (passed ? 1 : 0), runs: known.runs + 1 });
    }
  }
  return [...found.values()].filter(({ passed, runs }) => passed > 0 && passed < runs);
}

/** The variant with nothing to put back took its results from the other one; what broke off says nothing. */
function isOfItsOwn(run: CheckRun): boolean {
  if (run.phase !== 'passed' && run.phase !== 'failed') return false;
  return run.variant === 'as-committed' || run.tested !== run.commit;
}

function judgedIn(replay: Replay): Judged[] {
  return replay.runs
    .filter((run) => run.phase === 'ended')
    .map(({ variant, results }) => ({
      tested: replay.recorded.runs.find((one) => one.variant === variant)?.tested ?? replay.commit,
      results,
    }));
}

export function sayFlaky({ check, passed, runs, commit }: Flaky): string {
  return `check \`${check}\` is flaky: it passed ${passed} of ${runs} times on ${commit.slice(0, 10)}`;
}
