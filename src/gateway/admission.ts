import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Settlement, Shortfall } from '../contract/gateway.ts';
import { budgetLevelName, sayAmount, sayPeriod } from '../domain/budget-words.ts';
import { sayLimit, type UsageLimit } from '../domain/usage-limit.ts';
import type { Clock } from '../lib/clock.ts';
import { guestToken } from './headers.ts';
import type { Ledger, OpenGrant } from './ledger/ledger.ts';
import type { Who } from './ledger/who.ts';
import type { RefusalKind } from './refusal.ts';

/** May this request go up? Everything that is not granted is refused. */
export type Admission = { ok: true; grant: OpenGrant } | { ok: false; refusal: Refusal };

export interface Refusal {
  kind: RefusalKind;
  message: string;
  /** How the books name it; null when they need not know. */
  refused: Settlement['refused'];
  shortfall: Shortfall | null;
  /** For a usage limit: when it is reset. */
  retryAt?: number;
  who: Who;
}

const nobody: Who = { grant: '', project: '', task: '', ralph: '', iteration: '', role: 'implementer' };

export function admit(deps: { ledger: Ledger; clock: Clock }, vm: string, headers: IncomingHttpHeaders): Admission {
  const token = guestToken(headers);
  // The ledger is asked for the hash, so the time it takes says nothing about the token.
  const grant = token === null ? null : deps.ledger.findGrant(createHash('sha256').update(token).digest('hex'));
  if (grant === null || grant.vm !== vm) {
    return deny(nobody, 'token-unknown', 'This token is not known for this VM.');
  }
  if (grant.expiresAt <= deps.clock.now()) {
    return deny(whoOf(grant), 'token-expired', `The token of iteration \`${grant.iteration}\` has ended.`);
  }
  return { ok: true, grant };
}

export function whoOf(grant: OpenGrant): Who {
  const { id, project, task, ralph, iteration, role } = grant;
  return { grant: id, project, task, ralph, iteration, role };
}

function deny(who: Who, refused: 'token-unknown' | 'token-expired', message: string): Admission {
  return { ok: false, refusal: { kind: 'token', who, refused, message, shortfall: null } };
}

/** What the agent, and through its words a person, reads. */
export function overBudget(who: Who, shortfall: Shortfall): Refusal {
  const { node, unit, used, limit, needed, per } = shortfall;
  const amount = (value: number) => sayAmount(unit, value);
  const more = needed > 0 ? `; this call could take ${amount(needed)}` : '';
  const message = `${budgetLevelName(node)} is over its budget: ${amount(used)} of ${amount(limit)}${sayPeriod(per)} are used${more}.`;
  return { kind: 'over-budget', who, refused: unit, message, shortfall };
}

export function heldTooLong(who: Who, shortfall: Shortfall): Refusal {
  const message = `${budgetLevelName(shortfall.node)} is near its limit, and other calls still hold what is left; ask again.`;
  return { kind: 'held', who, refused: 'held', message, shortfall };
}

/** In the same words whether the provider or the gateway refused it. */
export function limited(who: Who, limit: UsageLimit): Refusal {
  const message = `Calls wait for a usage limit: ${sayLimit(limit)}.`;
  return { kind: 'limited', who, refused: 'limit', message, shortfall: null, retryAt: limit.until };
}

export function saidOf({ kind, message, retryAt }: Refusal, now: number) {
  return {
    kind,
    message,
    ...(retryAt === undefined ? {} : { retryAfterS: Math.max(1, Math.ceil((retryAt - now) / 1000)) }),
  };
}

/**
 * Refusals are settled too, but a guest that asks in a tight loop must not fill the disk: at most one a minute for the
 * same grant and reason.
 */
export function createRefusalBook(deps: { ledger: Ledger; clock: Clock }): (vm: string, refusal: Refusal) => void {
  const lastAt = new Map<string, number>();
  return (vm, { who, refused, kind, shortfall, retryAt = null }) => {
    const key = JSON.stringify([vm, who.grant, refused, shortfall?.node]);
    const now = deps.clock.now();
    if (now - (lastAt.get(key) ?? Number.NEGATIVE_INFINITY) < 60_000) return;
    if (lastAt.size > 10_000) lastAt.clear();
    lastAt.set(key, now);
    const status = { 'over-budget': 402, token: 403, limited: 429 }[kind as string] ?? 0;
    const fault = kind === 'limited' ? 'limit' : null;
    deps.ledger.settleRefusal(who, { at: now, status, refused, retryAt, fault }, shortfall);
  };
}
