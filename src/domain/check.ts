/** A check = an acceptance command that runs inside a guest; exit 0 passes. */
export interface Check {
  id: string;
  description: string;
  /** A shell command line, run by `sh -c` in the guest's workspace, never on the host. */
  run: string;
  timeoutSeconds: number;
  /** From project.yaml, not the task's own. */
  ofProject?: boolean;
}

/** A task's own checks and its project's; its own takes the place of the project's of the same id. */
export function withProjectChecks(checks: readonly Check[], ofProject: readonly Check[]): Check[] {
  const own = checks.filter((check) => !check.ofProject);
  const others = ofProject.filter(({ id }) => !own.some((check) => check.id === id));
  return [...own, ...others.map((check) => ({ ...check, ofProject: true }))];
}

export interface CheckResult {
  id: string;
  passed: boolean;
  /** null when it was ended by the time limit or a signal. */
  exitCode: number | null;
  timedOut: boolean;
  ms: number;
  /** The last part of stdout, cleaned of control characters, at most `checkTailBytes`. */
  tail: string;
  /** The same of stderr; apart, so that a flood on the one does not push the error on the other out. */
  stderrTail?: string;
}

export const checkTailBytes = 4096;

/**
 * One run of all checks of a task on one commit in one VM.
 * `baseline`: on the base, before the first token is spent. `loop`: in the implementer's VM after an iteration (feedback,
 * proves nothing). `verify`: by the controller in a clean VM (evidence).
 */
export type CheckRunKind = 'baseline' | 'loop' | 'verify';
export type CheckRunPhase = 'wanted' | 'running' | 'passed' | 'failed' | 'infra';
/** `restored`: with the protected paths put back to the base. */
export type CheckVariant = 'as-committed' | 'restored';

export interface CheckRun {
  /** `ck-<8 hex>`; also the id of the guest job. */
  id: string;
  task: string;
  kind: CheckRunKind;
  variant: CheckVariant;
  /** The task's commit this run judges. */
  commit: string;
  /** The commit whose tree really ran: `commit`, or the one with the protected paths put back. */
  tested: string;
  base: string;
  vm: string | null;
  /** For `loop`: the iteration it judges. */
  iteration: string | null;
  phase: CheckRunPhase;
  results: CheckResult[];
  startedAt: number;
  endedAt: number | null;
  failure: string | null;
  /** sha256 of its `RunRecord`; null where none is kept. */
  record: string | null;
}

export function allPassed(results: readonly CheckResult[]): boolean {
  return results.length > 0 && results.every((r) => r.passed);
}
