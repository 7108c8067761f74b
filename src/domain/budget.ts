/**
 * Budgets nest: fleet -> project -> task -> Ralph; a review of a task has an allowance of its own beside the task's.
 *
 *   fleet
 *     project:shop
 *       task:T1            what its implementers spend
 *       review:T1          what its reviewers spend
 *         ralph:implementer-1
 *
 * A call counts at every level of its chain and goes only if it fits at each. Limits are kept by the gateway, which alone sees
 * every call (`gateway/budget/level.ts`); what is said here is which limit holds where.
 */
export const budgetPeriods = ['run', 'day', 'month', 'total'] as const;
export type BudgetPeriod = (typeof budgetPeriods)[number];

export const budgetUnits = ['tokens', 'usd', 'calls'] as const;
export type BudgetUnit = (typeof budgetUnits)[number];

/** Null = no limit of its own at this level. */
export type BudgetLimits = Record<BudgetUnit, number | null>;
export type Amounts = Record<BudgetUnit, number>;

export interface Budget extends BudgetLimits {
  per: BudgetPeriod;
  /** Time agents may work, in ms; kept by the length of iterations, and by how long their tokens are valid. */
  ms: number | null;
  warnAt: number;
}

/** What a person has set at one level; what is absent stays as it was, null takes a limit away. */
export interface BudgetChange {
  node: string;
  budget: Partial<Omit<Budget, 'warnAt'>>;
  at: number;
  by: string;
}

/** What a level needs to know of a task. */
export interface BudgetTask {
  id: string;
  project: string;
  limits: { maxTokens: number | null; maxUsd: number | null; maxCalls: number | null; maxDurationMs: number | null };
}

export interface FleetBudget {
  per: BudgetPeriod;
  usd: number;
  tokens: number;
  calls: number;
  warnAt: number;
  /** What reviews of a task may spend, as a share of the task's own limits. */
  reviewShare: number;
}

export type BudgetKind = 'fleet' | 'project' | 'task' | 'review' | 'ralph';

export const fleetNode = 'fleet';
export const budgetNode = (kind: Exclude<BudgetKind, 'fleet'>, name: string): string => `${kind}:${name}`;

export function parseNode(node: string): { kind: BudgetKind; name: string } {
  const at = node.indexOf(':');
  return at < 0 ? { kind: 'fleet', name: '' } : { kind: node.slice(0, at) as BudgetKind, name: node.slice(at + 1) };
}

/** The levels a call counts at, the widest first. */
export function budgetChain(call: {
  project: string;
  task: string;
  ralph: string;
  role: 'implementer' | 'reviewer';
}): string[] {
  const own = budgetNode(call.role === 'reviewer' ? 'review' : 'task', call.task);
  return [fleetNode, budgetNode('project', call.project), own, budgetNode('ralph', call.ralph)];
}

/** The limits that hold at a level: what a person set there, else what file and task say. A task without limits has the fleet's. */
export function budgetAt(
  node: string,
  { fleet, changes, task }: { fleet: FleetBudget; changes: readonly BudgetChange[]; task: BudgetTask | null },
): Budget {
  const { kind } = parseNode(node);
  const set = changes.find((change) => change.node === node)?.budget ?? {};
  const { per, usd, tokens, calls, warnAt } = fleet;
  if (kind === 'fleet') return { per, usd, tokens, calls, ms: null, warnAt, ...set };
  const none: Budget = { per: 'total', tokens: null, usd: null, calls: null, ms: null, warnAt };
  if (kind === 'task' && task !== null) {
    const whole = budgetAt(fleetNode, { fleet, changes, task: null });
    const { maxTokens, maxUsd, maxCalls, maxDurationMs } = task.limits;
    const own = { tokens: maxTokens, usd: maxUsd, calls: maxCalls, ms: maxDurationMs };
    return {
      ...none,
      tokens: own.tokens ?? whole.tokens,
      usd: own.usd ?? whole.usd,
      calls: own.calls ?? whole.calls,
      ms: own.ms ?? null,
      ...set,
    };
  }
  if (kind === 'review' && task !== null) {
    const of = budgetAt(budgetNode('task', task.id), { fleet, changes, task });
    const share = (limit: number | null) => (limit === null ? null : limit * fleet.reviewShare);
    const whole = (limit: number | null) => (limit === null ? null : Math.max(1, Math.floor(limit)));
    return {
      ...of,
      tokens: whole(share(of.tokens)),
      usd: share(of.usd),
      calls: whole(share(of.calls)),
      ms: whole(share(of.ms)),
      ...set,
    };
  }
  return { ...none, ...set };
}

/**
 * A level that refused a call. Nothing new is started under it until its period is over or its limit is raised; nobody has to
 * take it back.
 */
export interface BudgetStop {
  node: string;
  unit: BudgetUnit | 'ms';
  per: BudgetPeriod;
  limit: number;
  /** What was settled, and what the refused call could have cost. */
  used: number;
  needed: number;
  at: number;
  /** When the period ends; null when it does not. */
  until: number | null;
}

export function stopHolds(stop: BudgetStop, budget: Budget, now: number): boolean {
  if (stop.until !== null && now >= stop.until) return false;
  const limit = budget[stop.unit];
  return budget.per === stop.per && limit !== null && limit <= stop.limit;
}
