import type { Check, CheckResult, CheckVariant } from './check.ts';
import type { DiskRecipe } from './disk.ts';
import type { Service } from './project.ts';

/**
 * A replay: what the evidence of a commit records is done once more, in a clean VM of its own, and compared. No agent, no model call.
 *
 *   wanted -> running -> ended        with a verdict
 *       \________\______> failed      it could not be made again, and why
 *        \________\_____> cancelled
 *
 * Of a task of this fleet, or of a bundle somebody handed over: then its commits stand in a host repository of its own, which carries
 * the replay's id and goes when the replay is over.
 */
export const replayPhases = ['wanted', 'running', 'ended', 'failed', 'cancelled'] as const;
export type ReplayPhase = (typeof replayPhases)[number];

export interface Replay {
  /** `rp-<8 hex>`. */
  id: string;
  /** null: of a bundle that somebody handed over. */
  task: string | null;
  title: string;
  /** Whose host repository has the commits: the task's project, or the replay's own id. */
  project: string;
  /** For a bundle: the repository on this host that has the base, and the file with what the change adds to it. */
  source: { repository: string; change: string | null } | null;
  commit: string;
  base: string;
  checks: Check[];
  recorded: Recorded;
  /** The disk it starts from here; null until that is settled. */
  disk: string | null;
  phase: ReplayPhase;
  reason: string | null;
  runs: ReplayRun[];
  /** How often what it ran in was lost. */
  attempts: number;
  /** What is not as it was when it was recorded. */
  remarks: string[];
  startedAt: number;
  endedAt: number | null;
  /** Nothing of it is left but this row. */
  tidied: boolean;
}

/** What it is compared with, and what it takes to make it again. */
export interface Recorded {
  runs: RecordedRun[];
  /** For a bundle; of a task of this fleet the base says it. */
  protected: string[];
  services: Service[];
  disk: string;
  image: string;
  recipe: DiskRecipe | null;
}

export interface RecordedRun {
  variant: CheckVariant;
  tested: string;
  results: CheckFacts[];
}

export type CheckFacts = Pick<CheckResult, 'id' | 'passed' | 'exitCode' | 'timedOut' | 'ms'>;

export interface ReplayRun {
  /** The guest's job. */
  job: string;
  variant: CheckVariant;
  vm: string;
  phase: 'wanted' | 'running' | 'ended';
  results: CheckResult[];
  startedAt: number;
  endedAt: number | null;
}

export function isReplayOpen({ phase }: Pick<Replay, 'phase'>): boolean {
  return phase === 'wanted' || phase === 'running';
}

/** What is to be run: a variant whose tree is that of another one says nothing more. */
export function runsToMake({ recorded, commit }: Pick<Replay, 'recorded' | 'commit'>): RecordedRun[] {
  return recorded.runs.filter((run) => run.variant === 'as-committed' || run.tested !== commit);
}

export interface ReplayRow {
  variant: CheckVariant;
  check: string;
  recorded: CheckFacts | null;
  now: CheckFacts | null;
  isSame: boolean;
}

/** Recorded against now, check by check. Durations are shown, and decide nothing. */
export function compareReplay(replay: Pick<Replay, 'recorded' | 'commit' | 'runs'>): ReplayRow[] {
  return runsToMake(replay).flatMap(({ variant, results }) => {
    const now = replay.runs.find((run) => run.variant === variant && run.phase === 'ended')?.results ?? [];
    const ids = new Set([...results, ...now].map((result) => result.id));
    return [...ids].map((check) => {
      const [was, is] = [results, now].map((list) => list.find((one) => one.id === check) ?? null);
      return { variant, check, recorded: was ?? null, now: is ?? null, isSame: areSame(was ?? null, is ?? null) };
    });
  });
}

function areSame(was: CheckFacts | null, is: CheckFacts | null): boolean {
  if (was === null || is === null) return false;
  return was.passed === is.passed && was.exitCode === is.exitCode && was.timedOut === is.timedOut;
}

export type Verdict = 'same' | 'different';

/** null while there is none. */
export function verdictOf(replay: Pick<Replay, 'phase' | 'recorded' | 'commit' | 'runs'>): Verdict | null {
  if (replay.phase !== 'ended') return null;
  const rows = compareReplay(replay);
  return rows.length > 0 && rows.every((row) => row.isSame) ? 'same' : 'different';
}
