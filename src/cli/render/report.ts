import type { ReportTask, ReportView } from '../../contract/report.ts';
import { clean } from './cell.ts';
import { age, imputed, plural, tokens, usd } from './figures.ts';
import type { Look } from './look.ts';

/** The report as Markdown: one sentence, one table. */
export function reportMarkdown(view: ReportView, look: Look): string[] {
  const lines = [`# Fleet report, ${day(view.since, look)} to ${day(view.until, look)}`, '', `${totals(view)}.`];
  if (view.tasks.length === 0) return lines;
  return [
    ...lines,
    '',
    '| task | project | outcome | iterations | reviews | tokens | USD | of its budget | worked | waited for you |',
    '|---|---|---|--:|--:|--:|--:|--:|--:|--:|',
    ...view.tasks.map((task) => `| ${cells(task).map(escaped).join(' | ')} |`),
  ];
}

export function totals({ totals: all }: ReportView): string {
  const parts = [
    `${plural(all.tasks, 'task')}: ${all.merged} merged, ${all.failed} failed, ${all.waiting} waiting for you now`,
    `${plural(all.iterations, 'iteration')} and ${plural(all.reviews, 'review')}`,
    `${tokens(all.spent.tokens)} tokens, $${usd(all.spent.usd)}${imputed(all.spent)} in ${plural(all.spent.calls, 'call')}`,
    `agents worked ${age(all.spent.seconds * 1000)}, tasks waited ${age(all.personSeconds * 1000)} for you`,
  ];
  return parts.join('; ');
}

/** The columns of the table, in its order. */
export function cells(task: ReportTask): string[] {
  const uncounted = task.uncounted > 0 ? ` (+${task.uncounted} not counted)` : '';
  const rejected = task.rejections > 0 ? `, rejected ${task.rejections}×` : '';
  return [
    `${task.id} ${clean(task.title)}`,
    clean(task.project),
    `${task.phase.replaceAll('_', ' ')}${rejected}`,
    `${task.iterations}${uncounted}`,
    String(task.reviews),
    tokens(task.spent.tokens),
    usd(task.spent.usd),
    share(task),
    age(task.spent.seconds * 1000),
    age(task.personSeconds * 1000),
  ];
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
