import type { Check, CheckResult } from '../domain/check.ts';
import type { Finding } from '../domain/iteration.ts';
import { cleanText, tailText } from '../lib/clean-text.ts';
import { fenced } from '../lib/fence.ts';

/**
 * What the implementer is told when its work did not pass. Errors stand at the end of what a command prints, so the tails of
 * both its streams are fed back.
 */
const maxChecksShown = 10;
const tailChars = 3000;

export interface ChecksTold {
  checks: readonly Check[];
  results: readonly CheckResult[];
  /** Where they ran, in words. */
  where: string;
  /** When a check passed last; what passed and fails now is named first. */
  passedBefore: ReadonlyMap<string, string>;
}

/** null when every check passed: then there is nothing to say. */
export function checksNote({ checks, results, where, passedBefore }: ChecksTold): string | null {
  const isBroken = (result: CheckResult) => passedBefore.has(result.id);
  const bad = results.filter((result) => !result.passed);
  const failed = [...bad.filter(isBroken), ...bad.filter((result) => !isBroken(result))];
  const missing = checks.filter((check) => !results.some((result) => result.id === check.id));
  if (failed.length === 0 && missing.length === 0) return null;
  const passed = results.filter((result) => result.passed).map((result) => `\`${result.id}\``);
  const parts = [
    `${failed.length + missing.length} of ${Math.max(checks.length, results.length)} acceptance checks did not pass ${where}.`,
    ...failed
      .slice(0, maxChecksShown)
      .map((result) => failedCheck(commandOf(checks, result.id), result, passedBefore.get(result.id))),
    ...missing.slice(0, maxChecksShown).map((check) => `Check \`${check.id}\` did not run: \`${check.run}\``),
  ];
  const hidden = Math.max(0, failed.length - maxChecksShown) + Math.max(0, missing.length - maxChecksShown);
  if (hidden > 0) parts.push(`${hidden} more are not shown.`);
  if (passed.length > 0) parts.push(`Passed: ${passed.slice(0, 30).join(', ')}. Keep these passing.`);
  return parts.join('\n\n');
}

function commandOf(checks: readonly Check[], id: string): string | null {
  return checks.find((check) => check.id === id)?.run ?? null;
}

function failedCheck(run: string | null, result: CheckResult, passed: string | undefined): string {
  const how = result.timedOut
    ? `was ended by its time limit after ${Math.round(result.ms / 1000)} s`
    : result.exitCode === null
      ? 'was ended by a signal'
      : `ended with exit code ${result.exitCode}`;
  const command = run === null ? '' : `: \`${run}\``;
  const before = passed === undefined ? '' : `It passed ${passed}, and fails now.\n`;
  return `Check \`${result.id}\` ${how}${command}\n${before}${outputOf(result)}`;
}

/** The ends of both streams; the names stand there only where both said something. */
function outputOf({ tail, stderrTail = '' }: CheckResult): string {
  const [stdout, stderr] = [tail, stderrTail].map((text) => tailText(cleanText(text).trimEnd(), tailChars));
  if (stdout && stderr) return `On stdout:\n${fenced(stdout)}\nOn stderr:\n${fenced(stderr)}`;
  const said = stdout || stderr;
  return said ? fenced(said) : '(it printed nothing)';
}

/** A reviewer's findings, the gravest first. */
export function findingsNote(summary: string | null, findings: readonly Finding[]): string {
  const order = ['blocking', 'major', 'minor'];
  const sorted = [...findings].sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
  const lines = sorted.map((finding, at) => {
    const place = finding.file === null ? '' : ` ${finding.file}${finding.line === null ? '' : `:${finding.line}`}`;
    return `${at + 1}. [${finding.severity}]${place} ${finding.what}\n   Why: ${finding.why}`;
  });
  return ['The reviewer asks for changes.', summary ?? '', ...lines].filter((part) => part !== '').join('\n\n');
}
