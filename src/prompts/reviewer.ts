import type { Check, CheckResult, CheckVariant } from '../domain/check.ts';
import type { Finding } from '../domain/iteration.ts';
import type { Task } from '../domain/task.ts';
import { fenced } from '../lib/fence.ts';
import type { Ending } from './ending.ts';
import { bulletList, checkList } from './lists.ts';

export interface ReviewerInput extends Ending {
  task: Pick<Task, 'id' | 'title' | 'description'>;
  checks: readonly Check[];
  change: {
    base: string;
    commit: string;
    diff: string;
    evidence: readonly { variant: CheckVariant; results: readonly CheckResult[] }[];
    /** Protected files the change touches. */
    protectedChanges: readonly string[];
  };
  /** Findings of earlier rounds, to look at whether they were mended. */
  earlierFindings: readonly Finding[];
  round: number;
  /** What is left of the reviews' budget, as a sentence. */
  budgetLeft: string;
}

/** A diff is cut here already, inside its fence; the template's own limit is above it. */
const maxDiffChars = 290_000;

export function reviewerValues(input: ReviewerInput, howToEnd: string): Record<string, string> {
  const { task, change } = input;
  const hidden = change.diff.length - maxDiffChars;
  const cut = hidden > 0 ? `\nThe diff is cut: ${hidden} more characters. See \`git diff ${change.base}\`.` : '';
  return {
    task_id: task.id,
    title: task.title,
    description: task.description,
    checks: checkList(input.checks),
    evidence: change.evidence.map(evidenceText).join('\n\n') || 'Nothing was checked.',
    protected_changes: bulletList(change.protectedChanges, 'None.'),
    earlier_findings: bulletList(input.earlierFindings.map(findingText), 'None.'),
    diff: fenced(change.diff.slice(0, maxDiffChars), 'diff') + cut,
    base: change.base,
    commit: change.commit,
    round: String(input.round),
    budget_left: input.budgetLeft,
    how_to_end: howToEnd,
  };
}

function evidenceText(run: ReviewerInput['change']['evidence'][number]): string {
  const variant = run.variant === 'restored' ? 'With the protected files put back' : 'As committed';
  const lines = run.results.map((result) => {
    const how = result.passed ? 'passed' : `did not pass (exit code ${result.exitCode ?? 'none'})`;
    return `\`${result.id}\` ${how}, ${Math.round(result.ms / 100) / 10} s`;
  });
  return `${variant}:\n${bulletList(lines, 'no check ran.')}`;
}

function findingText(finding: Finding): string {
  const place = finding.file === null ? '' : ` ${finding.file}${finding.line === null ? '' : `:${finding.line}`}`;
  return `[${finding.severity}]${place} ${finding.what} (why: ${finding.why})`;
}
