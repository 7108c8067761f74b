import type { FleetView } from '../../contract/fleet-view.ts';
import { cell } from './cell.ts';
import { gib, lasted, tokens, usd } from './figures.ts';
import { bar, type Look, paint } from './look.ts';
import { renderRalphs } from './ralphs.ts';

/** The key numbers of a fleet, as its metrics have them (docs/metrics.md), from the status document. */
export interface TopFigures {
  asOf: string;
  tasks: Record<string, number>;
  ralphs: Record<string, number>;
  vms: Record<string, number>;
  /** How long the oldest task of a phase that needs a person is in it; only phases that have one. */
  oldestSeconds: Record<string, number>;
  budget: {
    per: string;
    usedRatio: { usd: number; tokens: number; calls: number };
    usd: { settled: number; reserved: number; limit: number };
    tokens: { settled: number; reserved: number; limit: number };
    windowUsedRatio: number | null;
  };
  host: { memoryMiB: number | null; promisedMiB: number; diskFreeGiB: number | null };
  /** Null before the first. */
  secondsSincePass: number | null;
  problems: { error: number; warning: number };
}

export function topFigures(view: FleetView): TopFigures {
  const now = Date.parse(view.asOf);
  const seconds = (iso: string) => Math.max(0, Math.round((now - Date.parse(iso)) / 1000));
  const { spent, reserved, limit, per, window } = view.budget;
  const oldest: Record<string, number> = {};
  for (const { phase, state, since } of view.tasks)
    if (state === 'needs-you') oldest[phase] = Math.max(oldest[phase] ?? 0, seconds(since));
  const share = (unit: 'usd' | 'tokens' | 'calls') => (spent[unit] + reserved[unit]) / limit[unit];
  const amounts = (unit: 'usd' | 'tokens') => ({
    settled: spent[unit],
    reserved: reserved[unit],
    limit: limit[unit],
  });
  const count = (severity: string) => view.problems.filter((problem) => problem.severity === severity).length;
  return {
    asOf: view.asOf,
    tasks: counts(view.tasks),
    ralphs: counts(view.ralphs),
    vms: counts(view.vms),
    oldestSeconds: oldest,
    budget: {
      per,
      usedRatio: { usd: share('usd'), tokens: share('tokens'), calls: share('calls') },
      usd: amounts('usd'),
      tokens: amounts('tokens'),
      windowUsedRatio: window?.usedRatio ?? null,
    },
    host: view.host,
    secondsSincePass: view.passAt === null ? null : seconds(view.passAt),
    problems: { error: count('error'), warning: count('warning') },
  };
}

function counts(rows: readonly { phase: string }[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { phase } of rows) found[phase] = (found[phase] ?? 0) + 1;
  return found;
}

export function renderTop(view: FleetView, look: Look): string[] {
  const { tasks, ralphs, vms, oldestSeconds, budget, host, secondsSincePass, problems } = topFigures(view);
  const percent = (ratio: number) => `${Math.round(100 * ratio)} %`;
  const { usedRatio } = budget;
  const memory = host.memoryMiB === null ? '' : ` of ${gib(host.memoryMiB)}`;
  const window = budget.windowUsedRatio === null ? '' : `   window ${percent(budget.windowUsedRatio)}`;
  const lines: [string, string][] = [
    ['Tasks', say(tasks)],
    ['Oldest', say(oldestSeconds, (one) => lasted(one * 1000))],
    ['Ralphs', say(ralphs)],
    ['VMs', say(vms)],
    ['USD', `${bar(look, usedRatio.usd)} ${percent(usedRatio.usd)}   ${sayAmounts(budget.usd, usd)} per ${budget.per}`],
    ['Tokens', `${bar(look, usedRatio.tokens)} ${percent(usedRatio.tokens)}   ${sayAmounts(budget.tokens, tokens)}`],
    ['Calls', `${bar(look, usedRatio.calls)} ${percent(usedRatio.calls)}${window}`],
    ['Host', `memory ${gib(host.promisedMiB)}${memory} GiB promised   disk ${host.diskFreeGiB ?? '?'} GiB free`],
    ['Pass', secondsSincePass === null ? 'none yet' : `${lasted(secondsSincePass * 1000)} ago`],
    ['Problems', say(problems)],
  ];
  return [
    ...lines.map(([name, text]) => `${paint(look, 'dim', name.padEnd(9))} ${cell(text, look.columns - 10).trimEnd()}`),
    '',
    ...renderRalphs(view, look),
  ];
}

function sayAmounts(
  { settled, reserved, limit }: TopFigures['budget']['usd'],
  show: (amount: number) => string,
): string {
  return `${show(settled)} settled, ${show(reserved)} reserved, of ${show(limit)}`;
}

/** `2 implementing · 1 ready`, the most first; `none` for nothing. */
function say(figures: Readonly<Record<string, number>>, show: (figure: number) => string = String): string {
  const some = Object.entries(figures).filter(([, figure]) => figure > 0);
  const sorted = some.toSorted(([, one], [, other]) => other - one);
  return sorted.length === 0
    ? 'none'
    : sorted.map(([name, it]) => `${show(it)} ${name.replaceAll('_', ' ')}`).join(' · ');
}
