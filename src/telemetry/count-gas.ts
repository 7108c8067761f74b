import type { RalphRole } from '../domain/iteration.ts';
import type { RowCounterDeps } from './count-rows.ts';

/** A call as the gateway settled it. */
export interface GasCall {
  model: string;
  usd: number;
  imputedUsd: number;
  /** 0 for what never went up. */
  calls: number;
  refused: string | null;
  fault: string | null;
  flags: readonly string[];
  metered: {
    at: number;
    role: RalphRole;
    input: number;
    output: number;
    cacheRead: number;
    cacheWrite: number;
    isKnown: boolean;
  };
}

export interface GasCounterDeps extends Pick<RowCounterDeps, 'add'> {
  /** Models that have a series of their own already; a new one is put in. */
  models: Set<string>;
}

/** Guests choose what they call a model. */
const maxModels = 50;
/** What is settled so long after its iteration's end was not on its way down when that ended. */
const idleAfterMs = 60_000;
/** Settled when it was found, not when it was made. */
const foundLater = ['unsettled', 'power-cut'];

/** `iteration`: of the call; null when there is none any more. */
export function countGas(
  { add, models }: GasCounterDeps,
  call: GasCall,
  iteration: { endedAt: number | null } | null,
): void {
  const { metered, usd, imputedUsd } = call;
  const { role } = metered;
  const model = modelLabel(call.model, metered.isKnown, models);
  if (call.refused !== null && call.refused !== 'upstream') add('gateway_refusals_total', { reason: call.refused }, 1);
  if (call.calls > 0) {
    const isOk = call.refused === null && call.fault === null;
    add('model_requests_total', { role, result: isOk ? 'ok' : 'failed' }, call.calls);
    if (isIdle(call, iteration)) add('idle_model_requests_total', {}, call.calls);
  }
  const tokens = {
    input: metered.input,
    output: metered.output,
    cache_read: metered.cacheRead,
    cache_write: metered.cacheWrite,
  };
  for (const [type, by] of Object.entries(tokens)) if (by > 0) add('model_tokens_total', { model, role, type }, by);
  if (imputedUsd > 0) add('model_cost_usd_total', { model, role, billing: 'subscription' }, imputedUsd);
  if (usd > imputedUsd) add('model_cost_usd_total', { model, role, billing: 'api' }, usd - imputedUsd);
}

function isIdle({ metered, flags }: GasCall, iteration: { endedAt: number | null } | null): boolean {
  if (flags.some((flag) => foundLater.includes(flag))) return false;
  return iteration === null || (iteration.endedAt !== null && metered.at > iteration.endedAt + idleAfterMs);
}

function modelLabel(model: string, isKnown: boolean, there: Set<string>): string {
  const plain = model.replace(/\[\w+\]$/, '').replace(/([-@]\d{8}|-\d{4}-\d{2}-\d{2}|-latest)$/, '');
  const label = isKnown && model !== '' ? plain.slice(0, 100) : 'other';
  if (!there.has(label) && there.size >= maxModels) return 'other';
  there.add(label);
  return label;
}
