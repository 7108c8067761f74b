import type { CheckHistory } from '../domain/check-history.ts';
import type { Iteration } from '../domain/iteration.ts';
import type { Question } from '../domain/question.ts';
import { cleanText, cutText } from '../lib/clean-text.ts';

const maxIterations = 4;
const maxWordsChars = 2500;

/** How the last iterations ended, and what they said; oldest first. */
export function historyList(iterations: CheckHistory['iterations']): string {
  const ended = iterations.filter((it) => it.role === 'implementer' && it.phase === 'ended');
  if (ended.length === 0) return 'Nothing was done yet: this is the first iteration.';
  const shown = ended.toSorted((a, b) => a.n - b.n).slice(-maxIterations);
  const hidden = ended.length - shown.length;
  const lines = shown.map(iterationText);
  return (hidden > 0 ? [`(${hidden} earlier ones are left out)`, ...lines] : lines).join('\n');
}

function iterationText({ n, outcome, reason, summary }: Iteration): string {
  const words = summary === null ? '' : `\n  It said:\n${indented(cutText(cleanText(summary).trim(), maxWordsChars))}`;
  return `- Iteration ${n} ended \`${outcome ?? 'infra'}\`: ${cutText(reason ?? 'no reason known', 600)}${words}`;
}

/** What was asked of a person, and what came of it; nothing of it is ever left out. */
export function questionList(questions: readonly Question[]): string {
  if (questions.length === 0) return 'None.';
  return questions.map(questionText).join('\n');
}

function questionText({ question, options, iteration, answer, closedAt }: Question): string {
  const choice = options.length === 0 ? '' : `\n  Options: ${options.join(' | ')}`;
  const said =
    answer !== null
      ? `Answer:\n${indented(answer)}`
      : closedAt !== null
        ? 'A person let you go on without an answer: decide it yourself, and say how in your summary.'
        : 'Not answered yet: do what does not depend on it.';
  return `- Iteration ${iteration} asked:\n${indented(question)}${choice}\n  ${said}`;
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => `  > ${line}`)
    .join('\n');
}
