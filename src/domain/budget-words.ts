import { type BudgetPeriod, type BudgetStop, parseNode } from './budget.ts';

/** Budgets in a person's words; the same in refusals, reasons, events, prompts and on screens. */
export function budgetLevelName(node: string): string {
  const { kind, name } = parseNode(node);
  switch (kind) {
    case 'fleet':
      return 'The fleet';
    case 'project':
      return `Project \`${name}\``;
    case 'task':
      return `Task \`${name}\``;
    case 'review':
      return `The review of \`${name}\``;
    default:
      return `Ralph \`${name}\``;
  }
}

export function sayAmount(unit: BudgetStop['unit'], value: number): string {
  if (unit === 'ms') return `${Math.round(value / 60_000)} min`;
  if (unit === 'usd') return `${value.toFixed(2)} USD`;
  return `${Math.ceil(value)} ${unit}`;
}

export function sayPeriod(per: BudgetPeriod): string {
  return { day: ' a day', month: ' a month', run: ' a run', total: '' }[per];
}

export function sayStop(stop: BudgetStop): string {
  const { node, unit, used, limit, needed, per } = stop;
  const more = needed > 0 ? `, and the next call could take ${sayAmount(unit, needed)}` : '';
  return `${budgetLevelName(node)} has used ${sayAmount(unit, used)} of ${sayAmount(unit, limit)}${sayPeriod(per)}${more}`;
}
