import type { BudgetLevelView, BudgetsView } from '../../contract/budgets.ts';
import { cell, clean } from './cell.ts';
import { age, plural, tokens, usd } from './figures.ts';
import { bar, type Look, mark, paint } from './look.ts';

const units = ['usd', 'tokens', 'calls', 'seconds'] as const;
type Unit = (typeof units)[number];
const names: Readonly<Record<Unit, string>> = { usd: 'USD', tokens: 'tokens', calls: 'calls', seconds: 'time' };

/** Level by level, widest first; below each what it keeps to, one line for each limit. */
export function renderBudgets(view: BudgetsView, look: Look): string[] {
  const lines = view.levels.flatMap((level) => [...renderLevel(level, look), '']);
  const problems = view.problems.map(({ what, remedy }) => `${mark(look, 'warn')} ${what}  ${remedy}`);
  return [...problems, ...lines, ...(view.spent === null ? [] : renderSpent(view.spent, look)), note(view)].filter(
    (line, at, all) => line !== '' || (all[at - 1] ?? '') !== '',
  );
}

function note({ levels, imputedUsd = 0 }: BudgetsView): string {
  const open = levels.some((level) => (level.reserved?.calls ?? 0) > 0);
  return [
    ...(open ? ['Reserved: what open calls could cost at most; they are settled for less.'] : []),
    ...(imputedUsd > 0
      ? [`Of all dollars ever spent $${usd(imputedUsd)} are imputed (price times tokens): a subscription covers them.`]
      : []),
  ].join('\n');
}

function renderLevel(level: BudgetLevelView, look: Look): string[] {
  const limited = units.filter((unit) => level.limit[unit] !== null);
  const period = { day: 'a day', month: 'a month', run: 'this run', total: 'in all' }[level.per];
  const ends = level.endsAt === null ? '' : `, until ${localTime(level.endsAt, look)}`;
  const name = level.node.replace(/^(task|project|ralph):/, '');
  const title = level.title === null ? '' : ` ${clean(level.title)}`;
  const head = `${paint(look, 'bold', cell(`${name}${title}`, 44).trimEnd())}  ${period}${ends}; limits: ${clean(level.source)}`;
  const rows = limited.length === 0 ? [spentOnly(level)] : limited.map((unit) => renderUnit(level, unit, look));
  const held = (level.held ?? 0) > 0 ? [`  ${plural(level.held ?? 0, 'call')} held until others end`] : [];
  const stop = level.stop === null ? [] : [`  ${mark(look, 'fail')} ${clean(level.stop)}`];
  const columns =
    limited.length === 0 ? [] : [paint(look, 'dim', row(['', 'LIMIT', 'SETTLED', 'RESERVED', 'LEFT', '']))];
  return [head, ...columns, ...rows, ...held, ...stop];
}

function renderUnit({ limit, settled, reserved, left }: BudgetLevelView, unit: Unit, look: Look): string {
  const of = limit[unit] ?? 0;
  const used = settled === null ? null : (settled[unit] ?? 0) + (reserved?.[unit] ?? 0);
  const share = used === null ? '' : `${bar(look, used / of)} ${Math.round((100 * used) / of)} %`;
  const figures = [limit[unit], settled?.[unit] ?? null, reserved?.[unit] ?? null, left?.[unit] ?? null];
  return row([names[unit], ...figures.map((figure) => say(unit, figure)), share]);
}

function spentOnly({ settled }: BudgetLevelView): string {
  if (settled === null) return '  nothing is known';
  return `  no limit of its own; spent ${say('usd', settled.usd)} USD, ${say('tokens', settled.tokens)} tokens, ${plural(settled.calls, 'call')}`;
}

function row(cells: readonly string[]): string {
  const [name = '', ...figures] = cells;
  const share = figures.pop() ?? '';
  return `  ${cell(name, 8)}${figures.map((text) => cell(text, 11, 'right')).join('')}  ${share}`;
}

function say(unit: Unit, figure: number | null): string {
  if (figure === null) return '–';
  if (unit === 'usd') return usd(figure);
  if (unit === 'seconds') return age(figure * 1000);
  return unit === 'tokens' ? tokens(figure) : String(figure);
}

const how = {
  said: 'as the provider said',
  delivered: 'broken off: by what came',
  worst: 'at its worst case',
  nothing: 'cost nothing',
};
const why = {
  unsettled: 'left open by a gateway that ended',
  'power-cut': 'begun when the host went down',
  'says-less': 'the provider said less',
  'says-more': 'more than it could be',
};

function renderSpent(spent: NonNullable<BudgetsView['spent']>, look: Look): string[] {
  if (spent.rows.length === 0) return ['Nothing was spent in this period.'];
  const lines = spent.rows.map((it) => {
    const notes = [
      how[it.counted],
      ...it.flags.map((flag) => why[flag]),
      ...(it.imputed ? ['imputed: a subscription covers it'] : []),
      ...(it.priceKnown ? [] : ['price not known: the dearest']),
    ];
    const figures = [usd(it.usd), tokens(it.tokens), tokens(it.cacheReadTokens), String(it.calls)];
    return `  ${cell(it.model, 28)}${figures.map((text) => cell(text, 9, 'right')).join('')}  ${notes.join('; ')}`;
  });
  const header = `  ${cell('MODEL', 28)}${['USD', 'TOKENS', 'CACHED', 'CALLS'].map((text) => cell(text, 9, 'right')).join('')}  COUNTED`;
  const lowered =
    spent.loweredCalls > 0
      ? [`  ${plural(spent.loweredCalls, 'call')} went with a lower output limit than asked for`]
      : [];
  const held = spent.heldCalls > 0 ? [`  ${plural(spent.heldCalls, 'call')} held, ${age(spent.heldMs)} in all`] : [];
  return [
    `What ${spent.node.replace(/^(task|project|ralph):/, '')} has spent in this period`,
    paint(look, 'dim', header),
    ...lines,
    ...lowered,
    ...held,
  ];
}

function localTime(iso: string, look: Look): string {
  return new Date(iso).toLocaleString('sv-SE', {
    ...(look.timeZone ? { timeZone: look.timeZone } : {}),
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
}
