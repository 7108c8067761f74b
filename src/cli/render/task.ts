import type { CheckRunView, TaskView } from '../../contract/task-view.ts';
import { cell, clean } from './cell.ts';
import { flakyLine } from './evidence.ts';
import { clockTime, lasted, plural, short, since, tokens, usd } from './figures.ts';
import { type Look, mark, paint, stateGlyph } from './look.ts';

/** One task whole, for `task show`. */
export function renderTask(view: TaskView, look: Look): string[] {
  const { task } = view;
  const width = look.columns - 12;
  return [
    `${stateGlyph(look, task.state, task.phase)} ${paint(look, 'bold', `${task.id} ${clean(task.title)}`)}`,
    `Project    ${cell(task.project, width)}`,
    `Phase      ${task.phase} since ${since(task.since, look.now)}${task.reason ? `: ${clean(task.reason)}` : ''}`,
    ...(task.waitsFor ? [`Waits for  ${cell(task.waitsFor, width)}`] : []),
    `Commit     ${short(task.commit)} on ${short(task.base)}`,
    `Spent      ${tokens(task.spent.tokens)} tokens · $${usd(task.spent.usd)} · ${task.iterations} of ${plural(task.iterationLimit, 'iteration')}${task.uncounted > 0 ? `, ${task.uncounted} not counted` : ''}`,
    ...(view.trace === null ? [] : [`Trace      ${clean(view.trace)}`]),
    ...question(view),
    '',
    ...task.description
      .split('\n')
      .slice(0, 12)
      .map((line) => `  ${cell(line, look.columns - 2)}`),
    ...section(
      'How it went',
      view.howItWent.map((line) => cell(line, look.columns - 4).trimEnd()),
    ),
    ...section('Questions', questionLines(view, look)),
    ...section(
      'Iterations',
      view.iterations.map((one) => {
        const end = one.outcome ?? one.phase;
        const text = one.outcome === 'infra' ? (one.reason ?? '') : (one.summary ?? one.reason ?? '');
        return `${cell(String(one.n), 3, 'right')} ${cell(one.ralph, 15)} ${cell(end, 12)} ${cell(text, look.columns - 36)}`;
      }),
    ),
    ...section('Checks', [
      ...view.checkRuns.flatMap((run) => checkRunLines(run, look)),
      ...view.flaky.map((one) => flakyLine(one, look)),
    ]),
    ...section(
      'Reviews',
      view.reviews.map(
        (one) => `round ${one.round} on ${short(one.commit)} ${one.phase}, ${plural(one.findings.length, 'finding')}`,
      ),
    ),
    ...section(
      'Flags',
      view.flags.map(
        (one) => `${cell(one.severity, 7)} ${cell(one.category, 12)} ${cell(one.what, look.columns - 24)}`,
      ),
    ),
    ...section(
      'Timeline',
      view.timeline
        .slice(-12)
        .map((event) => `${clockTime(event.at, look.timeZone)} ${cell(event.text, look.columns - 12)}`),
    ),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)];
}

/** What an answer would be for. */
function question({ question: asked, task }: TaskView): string[] {
  if (asked === null) return [];
  const { options: named, preferred } = asked;
  const choice = (option: string) => (option === preferred ? ' (its choice)' : '');
  const options = named.map((option, i) => `             ${optionLetter(i)}) ${clean(option)}${choice(option)}`);
  const other = preferred === null || named.includes(preferred) ? [] : [`             its choice: ${clean(preferred)}`];
  return [
    `Asks       ${clean(asked.question)}${asked.blocking ? '' : ' (it goes on meanwhile)'}`,
    ...options,
    ...other,
    `           ralph-fleet task answer ${task.id} ${options.length > 0 ? 'a' : 'TEXT'}`,
  ];
}

export function optionLetter(at: number): string {
  return String.fromCharCode(97 + (at % 26));
}

/** All that was asked, with what became of it. */
function questionLines(view: TaskView, look: Look): string[] {
  const earlier = view.questions.filter((one) => one.id !== view.question?.id);
  return earlier.flatMap(({ question: asked, answer, closedAt, iteration }) => {
    const said = answer ?? (closedAt === null ? '(open)' : '(set aside without an answer)');
    return [`${iteration}. ${cell(asked, look.columns - 8)}`, `   ${cell(said, look.columns - 8)}`];
  });
}

export function checkRunLines(run: CheckRunView, look: Look): string[] {
  const where = run.kind === 'verify' ? 'controller, clean VM' : run.kind;
  const head = `${cell(`${where}, ${run.variant}`, 36)} ${short(run.commit)} ${run.phase}`;
  const results = run.results.map((result) => {
    const sign = mark(look, result.passed ? 'ok' : 'fail');
    const end = result.timedOut ? 'timed out' : result.exitCode === 0 ? '' : `exit ${result.exitCode ?? '?'}`;
    return `  ${sign} ${cell(result.id, 24)} ${cell(lasted(result.ms), 9, 'right')}  ${end}`;
  });
  return [head, ...results];
}
