import { budgetNode, parseNode } from '../../domain/budget.ts';
import { budgetLevelName, sayAmount, sayPeriod } from '../../domain/budget-words.ts';
import type { UsageWindow } from '../../domain/usage-limit.ts';
import type { SettledCall } from '../../loop/ports.ts';
import type { ExecuteDeps } from './deps.ts';
import { keepLimits, liftLimits } from './limits.ts';

const pageSize = 500;

type Deps = Pick<ExecuteDeps, 'gateway' | 'store' | 'clock' | 'onSettled'>;

/**
 * Reads what the gateway settled since the last time; rows and cursor move together, so that nothing counts twice. Then which usage
 * limits hold: never older than what was settled. Returns the usage windows.
 */
export async function settle(deps: Deps): Promise<UsageWindow[]> {
  const { gateway, store } = deps;
  for (;;) {
    const after = store.spend.cursor();
    const calls = await gateway.settlements(after, pageSize);
    store.tx(() => {
      if (store.spend.cursor() !== after) return;
      for (const call of calls) {
        store.spend.add(call);
        store.spend.setCursor(call.seq);
        if (call.shortfall !== null) store.stops.set({ ...call.shortfall, at: deps.clock.now() });
        tell(deps, call);
        deps.onSettled?.(call);
      }
    });
    if (calls.length < pageSize) break;
  }
  await liftLimits(deps);
  const told = await gateway.limits();
  store.tx(() => keepLimits(deps, told.limits));
  return told.windows;
}

const flagged = {
  unsettled: 'was open when the gateway ended, and counts at its worst case',
  'power-cut': 'may have been begun when the host went down, and counts at the most it can have been',
  'says-less': 'delivered more than the provider says it used, and counts by what was delivered',
  'says-more': 'took more than it could by its size, says the provider; it counts as said',
} as const;

function tell({ store }: Deps, call: SettledCall): void {
  for (const { node, unit, per, limit, used, until } of call.warnings) {
    const share = Math.round((100 * used) / limit);
    const end = until === null ? '' : `, until ${new Date(until).toISOString()}`;
    const amounts = `${sayAmount(unit, used)} of ${sayAmount(unit, limit)}${sayPeriod(per)}`;
    store.events.add(
      'budget.warning',
      subjectOf(node),
      `${budgetLevelName(node)} has used ${share} %: ${amounts}${end}.`,
    );
  }
  for (const flag of call.flags) {
    const amount = `${sayAmount('usd', call.usd)}, ${sayAmount('tokens', call.tokens)}`;
    const model = call.model === '' ? '' : ` (${call.model})`;
    store.events.add(`budget.${flag}`, call.task, `A call of ${call.task}${model} ${flagged[flag]}: ${amount}.`);
  }
}

function subjectOf(node: string): string {
  const { kind, name } = parseNode(node);
  return kind === 'fleet' ? 'fleet' : kind === 'task' || kind === 'review' ? name : budgetNode(kind, name);
}
