import type { ReportTask, ReportView } from '../../contract/report.ts';
import { oneLine } from './cell.ts';
import { age, imputed, plural, tokens, usd } from './figures.ts';
import type { Look } from './look.ts';

/** Of the table, in its order; from the fourth on they are numbers. */
export const columns = [
  ...['task', 'project', 'outcome', 'iterations', 'reviews', 'tokens', 'USD', 'used of predicted', 'of its budget'],
  ...['worked', 'waited for you', 'your decisions'],
];
export const firstNumber = 3;

/** The report as Markdown: one sentence, one table. */
export function reportMarkdown(view: ReportView, look: Look): string[] {
  const lines = [`# Fleet report, ${day(view.since, look)} to ${day(view.until, look)}`, '', `${totals(view)}.`];
  if (view.tasks.length === 0) return lines;
  return [
    ...lines,
    '',
    `| ${columns.join(' | ')} |`,
    `|${columns.map((_, at) => (at < firstNumber ? '---|' : '--:|')).join('')}`,
    ...view.tasks.map((task) => `| ${cells(task).map(escaped).join(' | ')} |`),
  ];
}

export function totals({ totals: all }: ReportView): string {
  const parts = [
    `${plural(all.tasks, 'task')}: ${all.merged} merged, ${all.failed} failed, ${all.waiting} waiting for you now`,
    `${plural(all.iterations, 'iteration')} and ${plural(all.reviews, 'review')}`,
    `${tokens(all.spent.tokens)} tokens, $${usd(all.spent.usd)}${imputed(all.spent)} in ${plural(all.spent.calls, 'call')}`,
    ...predicted(all),
    `agents worked ${age(all.spent.seconds * 1000)}, tasks waited ${age(all.personSeconds * 1000)} for you, who decided ${times(all.decisions)}`,
  ];
  return parts.join('; ');
}

/** Of tasks that were handed in with a budget. */
function predicted({ predicted: said, used }: ReportView['totals']): string[] {
  if (said.usd !== null) return [`$${usd(used.usd ?? 0)} used of $${usd(said.usd)} predicted`];
  if (said.tokens !== null) return [`${tokens(used.tokens ?? 0)} tokens used of ${tokens(said.tokens)} predicted`];
  return [];
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

/** One row of the table. */
export function cells(task: ReportTask): string[] {
  const uncounted = task.uncounted > 0 ? ` (+${task.uncounted} not counted)` : '';
  const rejected = task.rejections > 0 ? `, rejected ${task.rejections}×` : '';
  return [
    `${task.id} ${oneLine(task.title)}`,
    oneLine(task.project),
    `${task.phase.replaceAll('_', ' ')}${rejected}`,
    `${task.iterations}${uncounted}`,
    String(task.reviews),
    tokens(task.spent.tokens),
    usd(task.spent.usd),
    ofPredicted(task),
    share(task),
    age(task.spent.seconds * 1000),
    task.personSeconds === 0 ? '–' : age(task.personSeconds * 1000),
    String(task.decisions),
  ];
}

function ofPredicted({ predicted: said, used }: ReportTask): string {
  if (said.usd !== null) return `${usd(used.usd)} of ${usd(said.usd)}`;
  return said.tokens === null ? '–' : `${tokens(used.tokens)} of ${tokens(said.tokens)} tokens`;
}

/** Of the dearer of its limits. */
function share({ spent, limit }: ReportTask): string {
  const shares = [
    ...(limit.usd === null ? [] : [spent.usd / limit.usd]),
    ...(limit.tokens === null ? [] : [spent.tokens / limit.tokens]),
  ].filter(Number.isFinite);
  return shares.length === 0 ? '–' : `${Math.round(Math.max(...shares) * 100)} %`;
}

export function day(iso: string, look: Look): string {
  const zone = look.timeZone ? { timeZone: look.timeZone } : {};
  return new Date(iso).toLocaleString('sv-SE', { dateStyle: 'short', timeStyle: 'short', ...zone });
}

function escaped(text: string): string {
  return text.replace(/[\\`*_[\]<>|#~]/g, '\\$&');
}
