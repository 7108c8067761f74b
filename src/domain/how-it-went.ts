import { cleanLine, cleanText, tailText } from '../lib/clean-text.ts';
import type { CheckResult, CheckRun } from './check.ts';
import type { CheckHistory } from './check-history.ts';
import type { Iteration } from './iteration.ts';
import type { Task, TaskPhase } from './task.ts';

const endings: readonly TaskPhase[] = ['failed', 'stalled', 'blocked'];
const shownIterations = 5;
const tailLines = 12;

/** For whoever finds a task that did not come to its end: what was tried, what stood in the way, how to go on. Empty for others. */
export function howItWent(task: Task, history: CheckHistory): string[] {
  if (!endings.includes(task.phase)) return [];
  const iterations = history.iterations
    .filter((it) => it.role === 'implementer' && it.phase === 'ended')
    .toSorted((a, b) => a.n - b.n);
  return [
    ...triedLines(iterations),
    ...checkLines(history.checkRuns.filter((run) => run.kind === 'loop' && run.phase !== 'infra')),
    task.head === null
      ? 'Nothing of it was saved.'
      : `Its work is saved (${task.head.slice(0, 10)}): ralph-fleet diff ${task.id}`,
    `To go on, with what it should know: ralph-fleet task retry ${task.id} -m NOTES`,
  ];
}

function triedLines(iterations: readonly Iteration[]): string[] {
  if (iterations.length === 0) return ['No iteration has ended.'];
  const counts = new Map<string, number>();
  for (const { outcome } of iterations) counts.set(outcome ?? '', (counts.get(outcome ?? '') ?? 0) + 1);
  const sums = [...counts].map(([outcome, count]) => `${count} ${outcome}`).join(', ');
  const last = iterations.slice(-shownIterations).map(({ n, outcome, reason, summary }) => {
    const words = summary === null ? (reason ?? '') : `it said: ${summary}`;
    return `  ${n}. ${outcome}: ${cleanLine(words, 300)}`;
  });
  return [`Tried ${iterations.length} times: ${sums}. The last:`, ...last];
}

function checkLines(runs: readonly CheckRun[]): string[] {
  const last = runs.reduce<CheckRun | null>((a, b) => (a === null || b.startedAt >= a.startedAt ? b : a), null);
  if (last === null) return ['Its checks have not run on the work.'];
  const failed = last.results.filter((result) => !result.passed);
  const [first] = failed;
  const passed = last.results.length - failed.length;
  const head = `Checks, as they ran last: ${passed} of ${last.results.length} passed.`;
  if (first === undefined) return [head];
  return [
    `${head} ${failed.map(({ id }) => `\`${id}\``).join(', ')} did not; the end of \`${first.id}\`:`,
    ...tailOf(first),
  ];
}

function tailOf({ tail, stderrTail = '' }: CheckResult): string[] {
  const texts = [tail, stderrTail].map((text) => cleanText(text).trimEnd()).filter((text) => text !== '');
  if (texts.length === 0) return ['  (it printed nothing)'];
  return texts.flatMap((text) => tailText(text, 2000).split('\n').slice(-tailLines)).map((line) => `  | ${line}`);
}
