import { isFleetError } from '../../lib/errors.ts';
import type { Exec } from '../../lib/exec.ts';
import type { Finding, PreflightCheck } from '../preflight.ts';
import { isAtLeast, parseVersion, showVersion } from '../version.ts';

interface ToolRule {
  id: string;
  title?: string;
  why: string;
  argv: readonly string[];
  /** Older fails. */
  least: readonly number[];
  /** Older than this warns, with `worse` as the reason. */
  good?: readonly number[];
  worse?: string;
}

/** A check that a command is there and new enough. What prints no version, or garbage, fails: it is not the tool we know. */
export function toolCheck(rule: ToolRule): PreflightCheck {
  return {
    id: rule.id,
    title: rule.title ?? rule.id,
    why: rule.why,
    async run({ exec, setupCommand }) {
      return judge(rule, await askVersion(exec, rule.argv), setupCommand);
    },
  };
}

type Answer = { version: number[] } | { problem: string };

function judge(rule: ToolRule, answer: Answer, setupCommand: string): Finding {
  if ('problem' in answer) return { state: 'fail', found: answer.problem, remedy: setupCommand };
  const shown = `${rule.id} ${showVersion(answer.version)}`;
  if (!isAtLeast(answer.version, rule.least)) {
    return { state: 'fail', found: `${shown}; ${showVersion(rule.least)} or newer is needed`, remedy: setupCommand };
  }
  if (rule.good !== undefined && !isAtLeast(answer.version, rule.good)) {
    const what = `${shown}; ${showVersion(rule.good)} or newer is better${rule.worse ? `: ${rule.worse}` : ''}`;
    return { state: 'warn', found: what, remedy: setupCommand };
  }
  return { state: 'ok', found: shown };
}

const versionTimeoutMs = 5000;

async function askVersion(exec: Exec, argv: readonly string[]): Promise<Answer> {
  const name = `\`${argv[0]}\``;
  try {
    const { stdout, stderr } = await exec(argv, { timeoutMs: versionTimeoutMs, maxBytes: 64 * 1024 });
    const version = parseVersion(stdout) ?? parseVersion(stderr);
    return version === null ? { problem: `${name} does not say its version` } : { version };
  } catch (error) {
    if (isFleetError(error, 'command_missing')) return { problem: `no command ${name}` };
    if (isFleetError(error, 'command_timed_out')) return { problem: `${name} hangs: no version within 5 s` };
    if (isFleetError(error, 'too_large')) return { problem: `${name} does not say its version` };
    if (isFleetError(error)) return { problem: `${name} does not run: ${error.message.slice(0, 200)}` };
    throw error;
  }
}
