import { FleetError } from '../../../lib/errors.ts';
import { type CommandSpec, flag, text } from '../../frame/command.ts';
import { reportMarkdown } from '../../render/report.ts';
import { reportHtml } from '../../render/report-html.ts';

const units = { h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const defaultSince = '7d';

export const report: CommandSpec = {
  name: 'report',
  summary: 'What the fleet did and what it cost, for people who decide: Markdown, or a page with plots.',
  options: [
    { flags: '--since <when>', about: `12h, 7d, 4w, or a date such as 2026-11-01 (default ${defaultSince})` },
    { flags: '--html', about: 'one HTML page that needs nothing else' },
  ],
  examples: ['', '--since 4w', '--since 2026-11-01 --html > report.html', '--json=totals'],
  run: async (context, input) => {
    const since = parseSince(text(input, 'since') ?? defaultSince, context.clock.now());
    await context.needDaemon();
    const view = await context.client.call('report', { query: { since: new Date(since).toISOString() } });
    context.print(view, (look) => (flag(input, 'html') ? reportHtml(view, look) : reportMarkdown(view, look)));
    return 0;
  },
};

/** Ms since the epoch. A date is the beginning of that day here. */
export function parseSince(said: string, now: number): number {
  const [, count, unit] = /^(\d{1,4})([hdw])$/.exec(said) ?? [];
  const at =
    count === undefined
      ? Date.parse(/^\d{4}-\d{2}-\d{2}$/.test(said) ? `${said}T00:00:00` : said)
      : now - Number(count) * units[unit as keyof typeof units];
  const isTime = count !== undefined || /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2})?)?$/.test(said);
  if (!isTime || !(at <= now) || at < 0) {
    throw new FleetError('usage', `\`--since ${said.slice(0, 40)}\` is no time in the past.`, {
      remedy: 'Such as 12h, 7d, 4w or 2026-11-01.',
    });
  }
  return at;
}
