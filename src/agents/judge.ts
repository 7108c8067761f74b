import type { IterationOutcome } from '../domain/iteration.ts';
import type { AgentExit } from './agent.ts';

/**
 * What any CLI's exit says by itself; null when its stream must tell. Adapters never say `rate_limited`, `over_budget` or
 * `infra`: those don't count as attempts, and a guest must not be able to claim them.
 */
export function judgeExit(exit: AgentExit): { outcome: IterationOutcome; reason: string } | null {
  if (exit.timedOut) return { outcome: 'timed_out', reason: 'the iteration’s time was up' };
  if (exit.signal !== null) return killed(exit.signal);
  if (exit.exitCode === null) return { outcome: 'crashed', reason: 'the agent ended and left no exit code' };
  // A shell, and Claude Code itself, report death by signal n as 128 + n.
  if (exit.exitCode === 130 || exit.exitCode === 137 || exit.exitCode === 143) {
    return killed(`exit code ${exit.exitCode}`);
  }
  return null;
}

function killed(by: string): { outcome: IterationOutcome; reason: string } {
  return { outcome: 'killed', reason: `the agent was ended by ${by}` };
}
