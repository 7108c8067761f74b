import { type Budget, type BudgetKind, budgetNode, fleetNode, parseNode } from '../domain/budget.ts';
import { budgetLevelName, sayAmount, sayPeriod } from '../domain/budget-words.ts';
import { FleetError } from '../lib/errors.ts';
import { type ActionDeps, type Done, done } from './deps.ts';

/** Null takes a limit away; what is undefined stays as it is. */
export type BudgetWish = { level: string; reset: boolean; by: string } & {
  [K in keyof Omit<Budget, 'warnAt'>]?: Budget[K] | undefined;
};

/** Sets limits at one level of the budget tree; what was parked for want of them goes on with the next pass. */
export function setBudget(deps: ActionDeps, { level, reset, by, ...wish }: BudgetWish): Done {
  const { store, clock } = deps;
  const node = findLevel(deps, level);
  const budget = Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== undefined));
  const { kind, name } = parseNode(node);
  const task = kind === 'task' || kind === 'review' ? name : null;
  if (reset) {
    const had = store.budgets.get(node) !== null;
    store.tx(() => {
      store.budgets.remove(node);
      if (had)
        store.events.add('budget.reset', task ?? node, `${budgetLevelName(node)} has the limits of its files again.`);
    });
    return done(`${budgetLevelName(node)} has the limits of its files again.`, task, had);
  }
  refuseWrong(kind, budget);
  const before = store.budgets.get(node)?.budget ?? {};
  const after = { ...before, ...budget };
  const said = `${budgetLevelName(node)} may now spend ${sayLimits(after)}.`;
  if (JSON.stringify(after) === JSON.stringify(before)) return done(said, task, false);
  store.tx(() => {
    store.budgets.set({ node, budget: after, at: clock.now(), by });
    store.events.add('budget.set', task ?? node, `${said} (${by})`);
  });
  return done(said, task);
}

function refuseWrong(kind: BudgetKind, budget: Partial<Budget>): void {
  const units = ['usd', 'tokens', 'calls', 'ms'] as const;
  if (units.every((unit) => budget[unit] === undefined) && budget.per === undefined) {
    throw new FleetError('usage', 'Nothing is said of what may be spent.', {
      remedy: 'Give at least one of --usd, --tokens, --calls, --time, --per; or --reset.',
    });
  }
  if (kind === 'fleet' && units.some((unit) => budget[unit] === null)) {
    throw new FleetError('refused', 'The fleet as a whole cannot be without a limit: it would spend without end.', {
      remedy: 'Set a limit as high as you like: ralph-fleet budget set fleet --usd 1000',
    });
  }
  if (budget.ms !== undefined && kind !== 'task' && kind !== 'review') {
    throw new FleetError('usage', 'Time is limited for tasks and their reviews only.', {
      remedy: 'ralph-fleet budget set T1 --time 2h',
    });
  }
}

function sayLimits(budget: Partial<Budget>): string {
  const parts = (['usd', 'tokens', 'calls', 'ms'] as const).flatMap((unit) => {
    const limit = budget[unit];
    if (limit === undefined) return [];
    const what = { usd: 'USD', tokens: 'tokens', calls: 'calls', ms: 'time' }[unit];
    return [limit === null ? `without a limit on ${what}` : sayAmount(unit, limit)];
  });
  const period = budget.per === undefined ? '' : budget.per === 'total' ? ' in all' : sayPeriod(budget.per);
  return parts.length === 0 ? `its limits${period}` : `${parts.join(', ')}${period}`;
}

/** A level as a person names it. */
export function findLevel({ store }: Pick<ActionDeps, 'store'>, level: string): string {
  if (level === fleetNode) return fleetNode;
  const [prefix, rest] = level.includes(':')
    ? [level.slice(0, level.indexOf(':')), level.slice(level.indexOf(':') + 1)]
    : ['', level];
  const known: readonly [Exclude<BudgetKind, 'fleet'>, boolean][] = [
    ['task', store.tasks.get(rest) !== null],
    ['review', prefix === 'review' && store.tasks.get(rest) !== null],
    ['project', store.projects.get(rest) !== null],
    ['ralph', store.ralphs.get(rest) !== null],
  ];
  const found = known.filter(([kind, isThere]) => isThere && (prefix === kind || (prefix === '' && kind !== 'review')));
  const [first, second] = found;
  if (first === undefined) {
    throw new FleetError('not_found', `There is no level \`${level.slice(0, 60)}\` in the budget tree.`, {
      remedy: 'fleet, a task (T1), review:T1, a project or a Ralph: ralph-fleet budget show',
    });
  }
  if (second !== undefined) {
    throw new FleetError('usage', `\`${level}\` is ${found.map(([kind]) => `a ${kind}`).join(' and ')}.`, {
      remedy: `Say which: ${found.map(([kind]) => `${kind}:${level}`).join(' or ')}`,
    });
  }
  return budgetNode(first[0], rest);
}
