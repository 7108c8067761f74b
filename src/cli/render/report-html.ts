import type { ReportTask, ReportView } from '../../contract/report.ts';
import { clean } from './cell.ts';
import { age, usd } from './figures.ts';
import type { Look } from './look.ts';
import { cells, day, totals } from './report.ts';

const head = [
  'task',
  'project',
  'outcome',
  'iterations',
  'reviews',
  'tokens',
  'USD',
  'of its budget',
  'worked',
  'waited for you',
];
const firstNumber = 3;

/** The report as one page: no script, nothing from anywhere else. */
export function reportHtml(view: ReportView, look: Look): string[] {
  const title = `Fleet report, ${day(view.since, look)} to ${day(view.until, look)}`;
  const row = (values: readonly string[], tag: 'th' | 'td') =>
    `<tr>${values.map((value, i) => `<${tag}${i < firstNumber ? '' : ' class="n"'}>${html(value)}</${tag}>`).join('')}</tr>`;
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${html(title)}</title>`,
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'">',
    `<style>${style}</style></head><body>`,
    `<h1>${html(title)}</h1>`,
    `<p>${html(totals(view))}.</p>`,
    '<table>',
    row(head, 'th'),
    ...view.tasks.map((task) => row(cells(task), 'td')),
    '</table>',
    ...plot('What each task cost, and what it was allowed (USD)', view.tasks, {
      value: (task) => task.spent.usd,
      limit: (task) => task.limit.usd,
      say: (value) => `$${usd(value)}`,
    }),
    ...plot('How long agents worked on it, and how long it waited for you', view.tasks, {
      value: (task) => task.spent.seconds,
      limit: (task) => task.personSeconds,
      say: (value) => age(value * 1000),
    }),
    '</body></html>',
  ];
}

const style =
  'body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:72em;padding:0 1em;color:#222;background:#fff}' +
  'table{border-collapse:collapse}th,td{padding:.2em .6em;border-bottom:1px solid #ddd;text-align:left}.n{text-align:right}' +
  'svg{display:block;max-width:100%}';

interface Bars {
  value: (task: ReportTask) => number;
  /** Drawn as an outline; null = none. */
  limit: (task: ReportTask) => number | null;
  say: (value: number) => string;
}

const rowHeight = 22;
const labels = 260;
const bars = 420;

/** Horizontal bars: filled what was, outlined what stands against it. */
function plot(title: string, tasks: readonly ReportTask[], { value, limit, say }: Bars): string[] {
  const most = Math.max(...tasks.flatMap((task) => [value(task), limit(task) ?? 0]), 0);
  if (most <= 0) return [];
  const wide = (amount: number) => ((amount / most) * bars).toFixed(1);
  const lines = tasks.flatMap((task, i) => {
    const y = i * rowHeight;
    const against = limit(task);
    const label = `${task.id} ${clean(task.title)}`;
    const figures = against === null ? say(value(task)) : `${say(value(task))} / ${say(against)}`;
    return [
      `<text x="0" y="${y + 15}">${html(label.length > 36 ? `${label.slice(0, 35)}…` : label)}</text>`,
      `<rect x="${labels}" y="${y + 4}" width="${wide(value(task))}" height="14" fill="#4a7ab5"/>`,
      ...(against === null
        ? []
        : [`<rect x="${labels}" y="${y + 4}" width="${wide(against)}" height="14" fill="none" stroke="#888"/>`]),
      `<text x="${labels + bars + 8}" y="${y + 15}">${html(figures)}</text>`,
    ];
  });
  const size = `width="${labels + bars + 160}" height="${tasks.length * rowHeight + 4}"`;
  return [
    `<h2>${html(title)}</h2>`,
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-size="13" role="img" aria-label="${html(title)}">`,
    ...lines,
    '</svg>',
  ];
}

function html(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => names[character] ?? '');
}
