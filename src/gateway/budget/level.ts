import type { Level, Shortfall } from '../../contract/gateway.ts';
import { type Amounts, type BudgetUnit, budgetUnits } from '../../domain/budget.ts';

/**
 * Whether a call may go. Pure. A call counts at every level of its chain, at its worst case until it is settled:
 *
 *   settled + its worst case          passes a limit -> its output limit is lowered to what fits; below its floor: refused
 *   settled + reserved + its worst case passes a limit -> held: others' reservations stand in the way, and those end
 *
 * Invariant: after `go`, settled + reserved + its worst case is within every limit of every level.
 */
export interface Need {
  /** The most tokens its input can be. */
  inputTokens: number;
  /** The most output it asks for. */
  outputTokens: number;
  /** How far the output limit may be lowered; `outputTokens` when it may not. */
  floorTokens: number;
  /** Its worst price with this much output; grows with it by `usdPerOutputToken`. */
  usdBase: number;
  usdPerOutputToken: number;
}

export type Verdict =
  | { kind: 'go'; outputTokens: number; worst: Amounts }
  | { kind: 'hold'; shortfall: Shortfall }
  | { kind: 'refuse'; shortfall: Shortfall };

/** Sums of prices are not exact to the last bit; less than this over a limit is not over it. */
const epsilonUsd = 1e-9;

export function decide(levels: readonly Level[], need: Need): Verdict {
  const alone = mostOutput(levels, need, false);
  if (alone.outputTokens < need.floorTokens) return { kind: 'refuse', shortfall: alone.shortfall(need.floorTokens) };
  const outputTokens = Math.min(need.outputTokens, alone.outputTokens);
  const beside = mostOutput(levels, need, true);
  if (beside.outputTokens < outputTokens) return { kind: 'hold', shortfall: beside.shortfall(outputTokens) };
  return { kind: 'go', outputTokens, worst: worstOf(need, outputTokens) };
}

export function worstOf(need: Need, outputTokens: number): Amounts {
  return {
    tokens: need.inputTokens + outputTokens,
    usd: need.usdBase + outputTokens * need.usdPerOutputToken,
    calls: 1,
  };
}

/** The level that has nothing left at all, whatever a call may cost; null when each has something. */
export function gone(levels: readonly Level[]): Shortfall | null {
  for (const level of levels) {
    for (const unit of budgetUnits) {
      const limit = level.limit[unit];
      if (limit !== null && level.settled[unit] >= limit) return shortfallOf(level, unit, limit, 0);
    }
  }
  return null;
}

interface Most {
  /** The most output every level has room for; -1 when not even the input fits. */
  outputTokens: number;
  /** At the level and unit that has the least room. */
  shortfall(outputTokens: number): Shortfall;
}

function mostOutput(levels: readonly Level[], need: Need, beside: boolean): Most {
  let least = { outputTokens: Number.POSITIVE_INFINITY, level: levels[0], unit: 'tokens' as BudgetUnit, limit: 0 };
  for (const level of levels) {
    for (const unit of budgetUnits) {
      const limit = level.limit[unit];
      if (limit === null) continue;
      const left = limit - level.settled[unit] - (beside ? level.reserved[unit] : 0);
      const outputTokens = outputWithin(left, unit, need);
      if (outputTokens < least.outputTokens) least = { outputTokens, level, unit, limit };
    }
  }
  const { level, unit, limit, outputTokens } = least;
  return {
    outputTokens,
    shortfall: (wanted) => {
      if (level === undefined) throw new Error('a call without a limit lacks nothing');
      return shortfallOf(level, unit, limit, worstOf(need, wanted)[unit]);
    },
  };
}

function outputWithin(left: number, unit: BudgetUnit, need: Need): number {
  if (unit === 'calls') return left >= 1 ? Number.POSITIVE_INFINITY : -1;
  if (unit === 'tokens') return left < need.inputTokens ? -1 : Math.floor(left - need.inputTokens);
  const forOutput = left - need.usdBase + epsilonUsd;
  if (forOutput < 0) return -1;
  return need.usdPerOutputToken === 0 ? Number.POSITIVE_INFINITY : Math.floor(forOutput / need.usdPerOutputToken);
}

function shortfallOf(level: Level, unit: BudgetUnit, limit: number, needed: number): Shortfall {
  return { node: level.node, unit, per: level.per, limit, used: level.settled[unit], needed, until: level.until };
}
