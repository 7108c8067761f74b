import type { IterationOutcome } from '../../domain/iteration.ts';
import type { AgentAdapter, AgentCommand, AgentExit, AgentRun, StreamSummary } from '../agent.ts';
import { judgeExit } from '../judge.ts';
import { paneFilter } from '../pane-filter.ts';
import { createScriptedParser } from './parser.ts';
import { parseScenario, stepsOf } from './scenario.ts';

/** An agent without a model: plays a scenario in the guest. For the demo, tests, chaos and scale. */
export function createScriptedAdapter(): AgentAdapter {
  return { name: 'scripted', provider: null, mcpTool: null, command, parser: createScriptedParser, judge };
}

function command(run: AgentRun): AgentCommand {
  const steps = stepsOf(parseScenario(run.scenario), run.role, run.iteration);
  const stepsFile = `${run.home}/.ralph-steps.json`;
  return {
    argv: ['ralph-scripted', stepsFile],
    env: { RALPH_PROMPT_FILE: run.promptFile },
    files: [{ path: stepsFile, content: JSON.stringify(steps), mode: 0o600 }],
    paneFilter: pane,
  };
}

function judge(exit: AgentExit, seen: StreamSummary): { outcome: IterationOutcome; reason: string } {
  const byExit = judgeExit(exit);
  if (byExit) return byExit;
  if (exit.exitCode !== 0) return { outcome: 'crashed', reason: `the agent ended with exit code ${exit.exitCode}` };
  if (!seen.result) return { outcome: 'crashed', reason: 'the agent ended before the end of its scenario' };
  return { outcome: 'done', reason: 'the agent ended by itself' };
}

const pane = paneFilter(`
def show:
  if .type == "say" then (.text | text(4000))
  elif .type == "tool" then "\\u001b[36m● " + (.name | line(40)) + "\\u001b[0m " + (.detail | line(200))
  elif .type == "tool-result" then (.text | text(1000)) as $t
    | (if .ok then "\\u001b[2m" else "\\u001b[31m" end) + (if $t == "" then "    ok" else ($t | indent) end) + "\\u001b[0m"
  elif .type == "start" then "\\u001b[2mthe agent starts\\u001b[0m"
  elif .type == "end" then "\\u001b[2mthe agent ends\\u001b[0m"
  else empty end;`);
