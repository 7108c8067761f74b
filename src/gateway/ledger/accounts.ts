import type { SQLInputValue } from 'node:sqlite';
import { type Level, type NodeBudget, type Settlement, type SpentBy, spentSchema } from '../../contract/gateway.ts';
import { type Amounts, type BudgetPeriod, budgetUnits } from '../../domain/budget.ts';
import { type Period, periodAt } from '../../domain/budget-period.ts';
import type { Reservations } from './reservations.ts';
import type { Sql } from './sql.ts';
import { countsAt } from './who.ts';

/**
 * What stands at each level of the budget tree: its limits, and per period what was settled and what is reserved. A call belongs
 * to the period it was begun in, whenever it ends: so no period ever gets more than its own limit let in.
 */
export interface Accounts {
  put(budgets: readonly NodeBudget[]): void;
  /** The books' time: it does not go back behind the beginning of a run, so that what is begun in a run counts there. */
  time(now: number): number;
  levels(nodes: readonly string[], now: number): Level[];
  /** Adds a call to its levels and returns which of them passed their `warnAt` with it. In the caller's transaction. */
  add(nodes: readonly string[], spent: Amounts, opened: number, now: number): Settlement['warnings'];
  spentBy(node: string, now: number): SpentBy;
}

type Row = Amounts & { warned: boolean };

const sums = 'coalesce(sum(input + cache_write + output), 0) AS tokens, coalesce(sum(usd), 0) AS usd';

export function createAccounts(
  { run, get, all }: Sql,
  timeZone: string,
  reservations: Pick<Reservations, 'sum'>,
): Accounts {
  /** Only this process writes them. */
  const budgets = new Map<string, NodeBudget>();
  /** Days and months, asked for several times a call, take the calendar a while. */
  const lastPeriods = new Map<BudgetPeriod, Period>();
  let latestRun = readLatestRun();

  function readLatestRun(): number {
    return Number(get("SELECT coalesce(max(run_since), 0) AS latest FROM budgets WHERE per = 'run'")?.['latest']);
  }

  const time = (now: number) => Math.max(now, latestRun);

  function budgetOf(node: string): NodeBudget {
    const known = budgets.get(node);
    if (known !== undefined) return known;
    const read = readBudget(node);
    budgets.set(node, read);
    return read;
  }

  function readBudget(node: string): NodeBudget {
    const row = get(
      'SELECT node, per, run_since AS runSince, tokens, usd, calls, warn_at AS warnAt FROM budgets WHERE node = ?',
      node,
    );
    if (row !== undefined) return row as unknown as NodeBudget;
    return { node, per: 'total', runSince: 0, tokens: null, usd: null, calls: null, warnAt: 0.8 };
  }

  function periodOf({ per, runSince }: { per: BudgetPeriod; runSince: number }, at: number): Period {
    const known = lastPeriods.get(per);
    if (known !== undefined && known.end !== null && at >= known.start && at < known.end) return known;
    const period = periodAt(per, at, { timeZone, runSince });
    lastPeriods.set(per, period);
    return period;
  }

  /** What was settled in a period; summed once, then carried on. */
  function settledIn(node: string, { start, end }: Period): Row {
    const sql = 'SELECT tokens, usd, calls, warned FROM periods WHERE node = ? AND start = ?';
    const known = get(sql, node, start);
    if (known !== undefined) return { ...(known as unknown as Amounts), warned: known['warned'] === 1 };
    const { where, values } = scope(node);
    const summed = get(
      `SELECT ${sums}, coalesce(sum(calls), 0) AS calls FROM settlements WHERE opened >= ? AND opened < ?${where}`,
      ...[start, end ?? Number.MAX_SAFE_INTEGER, ...values],
    ) as unknown as Amounts;
    run(
      'INSERT INTO periods (node, start, tokens, usd, calls) VALUES (?, ?, ?, ?, ?)',
      ...[node, start, summed.tokens, summed.usd, summed.calls],
    );
    return { ...summed, warned: false };
  }

  return {
    put: (wanted) => {
      for (const { node, per, runSince, tokens, usd, calls, warnAt } of wanted) {
        const next = { node, per, runSince, tokens, usd, calls, warnAt };
        if (isKnown(node) && isSame(next, budgetOf(node))) continue;
        run(
          'INSERT OR REPLACE INTO budgets VALUES (?, ?, ?, ?, ?, ?, ?)',
          ...[node, per, runSince, tokens, usd, calls, warnAt],
        );
        // Another period has other sums, and another limit is warned of anew.
        run('DELETE FROM periods WHERE node = ?', node);
        budgets.delete(node);
      }
      latestRun = readLatestRun();
    },
    time,
    levels: (nodes, now) =>
      nodes.map((node) => {
        const { tokens, usd, calls, ...budget } = budgetOf(node);
        const period = periodOf(budget, time(now));
        const { warned: _, ...settled } = settledIn(node, period);
        return {
          node,
          per: budget.per,
          since: period.start,
          until: period.end,
          limit: { tokens, usd, calls },
          settled,
          reserved: reservations.sum(node, period),
          held: 0,
        };
      }),
    add: (nodes, spent, opened, now) =>
      nodes.flatMap((node) => {
        const budget = budgetOf(node);
        const period = periodOf(budget, opened);
        if (opened < period.start) return []; // begun before the present run
        const before = settledIn(node, period);
        run(
          'UPDATE periods SET tokens = tokens + ?, usd = usd + ?, calls = calls + ? WHERE node = ? AND start = ?',
          ...[spent.tokens, spent.usd, spent.calls, node, period.start],
        );
        const isOver = period.end !== null && now >= period.end;
        const warning = before.warned || isOver ? null : crossed(budget, before, spent, period.end);
        if (warning === null) return [];
        run('UPDATE periods SET warned = 1 WHERE node = ? AND start = ?', node, period.start);
        return [warning];
      }),
    spentBy: (node, now) => spentBy(node, periodOf(budgetOf(node), time(now))),
  };

  function isKnown(node: string): boolean {
    return get('SELECT 1 FROM budgets WHERE node = ?', node) !== undefined;
  }

  function spentBy(node: string, { start, end }: Period): SpentBy {
    const { where, values } = scope(node);
    const within = `FROM settlements WHERE opened >= ? AND opened < ?${where}`;
    const range = [start, end ?? Number.MAX_SAFE_INTEGER, ...values];
    const rows = all(
      `SELECT model, coalesce(json_extract(more, '$.counted'), 'said') AS counted,
         coalesce(json_extract(more, '$.flags'), '[]') AS flags, coalesce(json_extract(more, '$.imputed'), 0) AS imputed, sum(calls) AS calls, ${sums},
         sum(cache_read) AS cacheReadTokens, min(price_known) AS priceKnown
       ${within} AND (refused IS NULL OR refused = 'upstream' OR (refused = 'credential' AND calls > 0)) GROUP BY 1, 2, 3, 4 ORDER BY usd DESC, model`,
      ...range,
    ).map((row) => ({
      ...row,
      flags: JSON.parse(String(row['flags'])),
      priceKnown: row['priceKnown'] === 1,
      imputed: row['imputed'] === 1,
    }));
    const other = get(
      `SELECT count(json_extract(more, '$.lowered.to')) AS loweredCalls,
         coalesce(sum(json_extract(more, '$.heldMs') > 0), 0) AS heldCalls,
         coalesce(sum(json_extract(more, '$.heldMs')), 0) AS heldMs ${within}`,
      ...range,
    );
    return spentSchema.parse({ node, rows, ...other });
  }
}

function isSame(one: NodeBudget, other: NodeBudget): boolean {
  return (Object.keys(one) as (keyof NodeBudget)[]).every((key) => one[key] === other[key]);
}

function crossed(budget: NodeBudget, before: Amounts, spent: Amounts, until: number | null) {
  for (const unit of budgetUnits) {
    const limit = budget[unit];
    if (limit === null) continue;
    const used = before[unit] + spent[unit];
    if (before[unit] < limit * budget.warnAt && used >= limit * budget.warnAt) {
      return { node: budget.node, unit, per: budget.per, limit, used, until };
    }
  }
  return null;
}

/** Which settlements count at a level. */
function scope(node: string): { where: string; values: SQLInputValue[] } {
  const wanted = Object.entries(countsAt(node));
  return { where: wanted.map(([column]) => ` AND ${column} = ?`).join(''), values: wanted.map(([, value]) => value) };
}
