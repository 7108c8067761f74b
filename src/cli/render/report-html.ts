import type { ReportTask, ReportView } from '../../contract/report.ts';
import { oneLine } from './cell.ts';
import { age, usd } from './figures.ts';
import type { Look } from './look.ts';
import { cells, columns, day, firstNumber, totals } from './report.ts';
import { reportStyle } from './report-style.ts';

/** The report as one page: no script, nothing from anywhere else, light or dark as its reader likes it. */
export function reportHtml(view: ReportView, look: Look): string[] {
  const title = `Fleet report, ${day(view.since, look)} to ${day(view.until, look)}`;
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${html(title)}</title>`,
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<style>${reportStyle}</style></head><body>`,
    `<h1>${html(title)}</h1>`,
    ...tiles(view),
    `<p class="all">${html(totals(view))}.</p>`,
    ...plot('What each task cost (USD), and what was predicted', view.tasks, {
      value: (task) => task.used.usd,
      against: (task) => task.predicted.usd,
      say: (value) => `$${usd(value)}`,
      over: true,
      legend: 'The bar is what its implementers have used, the mark what it was handed in with.',
    }),
    ...plot('How long agents worked on it, and how long it waited for you', view.tasks, {
      value: (task) => task.spent.seconds,
      against: (task) => (task.personSeconds > 0 ? task.personSeconds : null),
      say: (value) => age(value * 1000),
      over: false,
      legend: 'The bar is work, the mark is how long it waited.',
    }),
    ...table(view.tasks),
    '</body></html>',
  ];
}

/** What a reader in a hurry wants to know. */
function tiles({ totals: all }: ReportView): string[] {
  const { predicted, used } = all;
  const of = predicted.usd === null ? '' : `$${usd(used.usd ?? 0)} of $${usd(predicted.usd)} predicted`;
  const tile = (value: string, name: string, more = '') =>
    `<div class="tile"><b>${html(value)}</b><span>${html(name)}</span><small>${html(more)}</small></div>`;
  return [
    '<div class="tiles">',
    tile(
      `${all.merged} of ${all.tasks}`,
      all.tasks === 1 ? 'task merged' : 'tasks merged',
      all.failed > 0 ? `${all.failed} failed` : '',
    ),
    tile(`$${usd(all.spent.usd)}`, 'spent', of),
    tile(age(all.spent.seconds * 1000), 'agents worked', `${all.iterations} iterations, ${all.reviews} reviews`),
    tile(
      age(all.personSeconds * 1000),
      'waited for you',
      all.waiting > 0 ? `${all.waiting} waiting now` : `${all.decisions} decisions`,
    ),
    '</div>',
  ];
}

function table(tasks: readonly ReportTask[]): string[] {
  if (tasks.length === 0) return ['<p>No task was open in this time.</p>'];
  const cell = (tag: 'th' | 'td', value: string, at: number) =>
    `<${tag}${at < firstNumber ? '' : ' class="n"'}>${at === 0 ? title(value) : html(value)}</${tag}>`;
  const row = (tag: 'th' | 'td', values: readonly string[]) => values.map((value, at) => cell(tag, value, at)).join('');
  return [
    '<h2>All tasks</h2>',
    '<div class="wide"><table>',
    `<thead><tr>${row('th', columns)}</tr></thead><tbody>`,
    ...tasks.map((task) => `<tr class="${task.phase}">${row('td', cells(task))}</tr>`),
    '</tbody></table></div>',
  ];
}

/** A long one is cut off on the screen, and whole under the pointer. */
function title(text: string): string {
  return `<span class="title" title="${html(text)}">${html(text)}</span>`;
}

interface Bars {
  value: (task: ReportTask) => number;
  /** Drawn as a mark; null = none. */
  against: (task: ReportTask) => number | null;
  say: (value: number) => string;
  /** A bar beyond its mark stands out. */
  over: boolean;
  legend: string;
}

/** More than these say nothing to an eye; the table has them all. */
const mostBars = 20;

/** Horizontal bars, the longest first. */
function plot(title: string, tasks: readonly ReportTask[], { value, against, say, over, legend }: Bars): string[] {
  const reach = (task: ReportTask) => Math.max(value(task), against(task) ?? 0);
  const shown = tasks.filter((task) => reach(task) > 0).toSorted((a, b) => reach(b) - reach(a));
  const most = Math.max(...shown.map(reach), 0);
  if (most <= 0) return [];
  const wide = (amount: number) => `${((amount / most) * 100).toFixed(1)}%`;
  const lines = shown.slice(0, mostBars).map((task) => {
    const mark = against(task);
    const label = `${task.id} ${oneLine(task.title)}`;
    const figures = mark === null ? say(value(task)) : `${say(value(task))} / ${say(mark)}`;
    const isOver = over && mark !== null && value(task) > mark;
    return [
      `<div class="bar"><span class="label" title="${html(label)}">${html(label)}</span><span class="track">`,
      `<i class="${isOver ? 'over' : 'fill'}" style="width:${wide(value(task))}"></i>`,
      mark === null ? '' : `<i class="mark" style="left:${wide(mark)}"></i>`,
      `</span><span class="figure">${html(figures)}</span></div>`,
    ].join('');
  });
  const left = shown.length - lines.length;
  return [
    `<h2>${html(title)}</h2>`,
    `<p class="legend">${html(legend)}${left > 0 ? html(` The ${mostBars} largest; ${left} more stand in the table.`) : ''}</p>`,
    '<div class="plot">',
    ...lines,
    '</div>',
  ];
}

function html(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => names[character] ?? '');
}
