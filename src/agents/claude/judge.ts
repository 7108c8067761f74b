import type { IterationOutcome } from '../../domain/iteration.ts';
import { cleanLine } from '../../lib/clean-text.ts';
import type { AgentExit, StreamSummary } from '../agent.ts';
import { judgeExit } from '../judge.ts';

type Verdict = { outcome: IterationOutcome; reason: string };

/**
 * Neither exit code 0 nor `subtype: success` is success (2.1.329): an interrupted run exits 0, every API failure says
 * `success` with `is_error`. `done` here means only that the CLI ended as it should; what it achieved its signal says.
 */
export function judgeClaude(exit: AgentExit, seen: StreamSummary): Verdict {
  const byExit = judgeExit(exit);
  if (byExit) return byExit;
  const { result } = seen;
  if (!result) return { outcome: 'crashed', reason: withoutResult(exit) };
  if (result.subtype === 'error_max_turns') {
    return { outcome: 'partial', reason: 'the agent used all its turns' };
  }
  if (result.subtype === 'error_during_execution' && result.terminalReason?.startsWith('aborted')) {
    return { outcome: 'killed', reason: 'the agent was interrupted' };
  }
  if (result.isError) return { outcome: 'crashed', reason: errorReason(result) };
  if (exit.exitCode !== 0) {
    return { outcome: 'crashed', reason: `the agent reported success but ended with exit code ${exit.exitCode}` };
  }
  return { outcome: 'done', reason: 'the agent ended by itself' };
}

function withoutResult(exit: AgentExit): string {
  if (exit.exitCode === 127 || exit.exitCode === 126) {
    return `the agent could not be started (exit code ${exit.exitCode}): is \`claude\` in the image?`;
  }
  return `the agent ended with exit code ${exit.exitCode} and no result`;
}

function errorReason(result: NonNullable<StreamSummary['result']>): string {
  const said = cleanLine(result.text, 300) || result.subtype;
  if (result.apiStatus !== null) return `the model API answered ${result.apiStatus}: ${said}`;
  return result.terminalReason ? `${result.terminalReason}: ${said}` : said;
}
