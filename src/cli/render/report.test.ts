import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ReportTask, type ReportView, reportView } from '../../contract/report.ts';
import type { Look } from './look.ts';
import { reportMarkdown } from './report.ts';
import { reportHtml } from './report-html.ts';

const look: Look = {
  ...{ colour: false, ascii: false, columns: 100, rows: Number.POSITIVE_INFINITY, now: 0, timeZone: 'UTC' },
};
const task: ReportTask = {
  ...{ id: 'T1', title: 'parse invoices', project: 'shop-api', phase: 'merged' },
  ...{ submittedAt: '2026-11-14T08:00:00.000Z', endedAt: '2026-11-15T08:00:00.000Z' },
  ...{ iterations: 3, uncounted: 1, reviews: 2, rejections: 1, limit: { usd: 4, tokens: null } },
  ...{ spent: { tokens: 412_000, usd: 1.84, calls: 40, seconds: 4200 }, personSeconds: 600 },
  ...{ predicted: { usd: 2, tokens: null }, used: { usd: 1.9, tokens: 430_000 }, decisions: 2 },
};

const unsaid = { usd: null, tokens: null };
const none = { tokens: 0, usd: 0, calls: 0, seconds: 0 };

function viewOf(...tasks: ReportTask[]): ReportView {
  const spent = { tokens: 412_000, usd: 1.84, calls: 40, seconds: 4200 };
  const totals = { tasks: tasks.length, merged: 1, waiting: 0, failed: 0, iterations: 3, reviews: 2, spent };
  const frame = { since: '2026-11-14T00:00:00.000Z', until: '2026-11-21T12:00:00.000Z' };
  const against = { predicted: { usd: 2, tokens: null }, used: { usd: 1.9, tokens: null } };
  return reportView.parse({ ...frame, tasks, totals: { ...totals, ...against, personSeconds: 600, decisions: 2 } });
}

describe('the report', () => {
  it('is one sentence and one table in Markdown', () => {
    expect(reportMarkdown(viewOf(task), look).join('\n')).toMatchInlineSnapshot(`
      "# Fleet report, 2026-11-14 00:00 to 2026-11-21 12:00

      1 task: 1 merged, 0 failed, 0 waiting for you now; 3 iterations and 2 reviews; 412 k tokens, $1.84 in 40 calls; $1.90 used of $2.00 predicted; agents worked 1 h 10 m, tasks waited 10 m for you, who decided 2 times.

      | task | project | outcome | iterations | reviews | tokens | USD | used of predicted | of its budget | worked | waited for you | your decisions |
      |---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
      | T1 parse invoices | shop-api | merged, rejected 1× | 3 (+1 not counted) | 2 | 412 k | 1.84 | 1.90 of 2.00 | 46 % | 1 h 10 m | 10 m | 2 |"
    `);
    expect(reportMarkdown(viewOf(), look)).toHaveLength(3);
  });

  it('is a page that loads nothing, with a plot of the cost and one of the time', () => {
    const over = { ...task, id: 'T2', used: { usd: 3, tokens: 0 } };
    const page = reportHtml(viewOf(task, over, { ...task, id: 'T3', predicted: unsaid }), look).join('\n');
    expect(page.match(/class="plot"/g)).toHaveLength(2);
    expect(page).toContain('$1.90 / $2.00');
    expect(page.match(/class="over" style="width:100.0%"/g)).toHaveLength(1);
    expect(page).not.toMatch(/<script|https?:\/\/|url\(/);
    const free = { ...task, spent: none, used: { usd: 0, tokens: 0 }, predicted: unsaid, personSeconds: 0 };
    expect(reportHtml(viewOf(free), look).join('\n')).not.toContain('class="plot"');
    expect(reportHtml(viewOf(), look).join('\n')).toContain('No task was open in this time.');
  });

  it('plots so many bars as an eye can take, the longest first, and says how many are left', () => {
    const many = Array.from({ length: 200 }, (_, n) => ({ ...task, id: `T${n}`, used: { usd: n, tokens: 0 } }));
    const [, cost = ''] = reportHtml(viewOf(...many), look)
      .join('\n')
      .split('<div class="plot">');
    expect(cost.match(/T\d+(?= parse invoices<\/span>)/g)).toEqual(Array.from({ length: 20 }, (_, n) => `T${199 - n}`));
    const page = reportHtml(viewOf(...many), look).join('\n');
    expect(page).toContain('The 20 largest; 180 more stand in the table.');
    expect(page.match(/<tr class="merged">/g)).toHaveLength(200);
  });

  it('shows a title as it is, whatever it is', () => {
    const odd = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.string({ unit: fc.constantFrom(...'\\|<"&`\n a'), maxLength: 20 }),
    );
    fc.assert(
      fc.property(odd, odd, (title, project) => {
        const view = viewOf({ ...task, title, project });
        const table = reportMarkdown(view, look).slice(4);
        expect(table).toHaveLength(3);
        expect(table[2]?.replaceAll(/\\./g, '').split('|')).toHaveLength(14);
        const page = reportHtml(view, look).join('\n');
        expect(page.replaceAll(/<\/?[a-z0-9]+( [a-z-]+="[^"<>]*")*\/?>|<!doctype html>/gi, '')).not.toMatch(/[<>]/);
      }),
      { numRuns: 200 },
    );
    const wide = { ...task, title: '\u001b[31m年度\n報告 🐳' };
    expect(reportMarkdown(viewOf(wide), look)[6]).toContain('T1 年度 報告 🐳');
    expect(reportHtml(viewOf(wide), look).join('\n')).toContain('>T1 年度 報告 🐳<');
    expect(reportMarkdown(viewOf({ ...task, title: 'a|b <img src=x> [c](d) `e`' }), look)[6]).toContain(
      'T1 a\\|b \\<img src=x\\> \\[c\\](d) \\`e\\`',
    );
  });
});
