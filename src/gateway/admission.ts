import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Settlement, Spend, TaskLimit } from '../contract/gateway.ts';
import type { Clock } from '../lib/clock.ts';
import { guestToken } from './headers.ts';
import type { Ledger, OpenGrant, Who } from './ledger.ts';

/** May this request go up? Everything that is not granted is refused. */
export type Admission = { ok: true; grant: OpenGrant } | { ok: false; refusal: Refusal };

export interface Refusal {
  /** As the guest sees it. With `x-should-retry: false` Claude Code ends after one request on each of these. */
  status: 402 | 403 | 502 | 503;
  type: 'billing_error' | 'permission_error' | 'api_error' | 'overloaded_error';
  message: string;
  refused: Settlement['refused'];
  who: Who;
}

const nobody: Who = { grant: '', project: '', task: '', ralph: '', iteration: '' };

export function admit(deps: { ledger: Ledger; clock: Clock }, vm: string, headers: IncomingHttpHeaders): Admission {
  const token = guestToken(headers);
  // The ledger is asked for the hash, so the time it takes says nothing about the token.
  const grant = token === null ? null : deps.ledger.findGrant(createHash('sha256').update(token).digest('hex'));
  if (grant === null || grant.vm !== vm) {
    return deny(nobody, 'token-unknown', 'This token is not known for this VM.');
  }
  const who = whoOf(grant);
  if (grant.expiresAt <= deps.clock.now()) {
    return deny(who, 'token-expired', `The token of iteration \`${grant.iteration}\` has ended.`);
  }
  const limit = deps.ledger.limitOf(grant.task);
  const passed = limit === null ? null : passedLimit(deps.ledger.spendOf(grant.task), limit, grant.task);
  if (passed === null) return { ok: true, grant };
  return { ok: false, refusal: { status: 402, type: 'billing_error', who, ...passed } };
}

export function whoOf(grant: OpenGrant): Who {
  const { id, project, task, ralph, iteration } = grant;
  return { grant: id, project, task, ralph, iteration };
}

function passedLimit(spend: Spend, limit: TaskLimit, task: string): Pick<Refusal, 'message' | 'refused'> | null {
  if (limit.maxTokens !== null && spend.tokens >= limit.maxTokens) {
    const message = `Task \`${task}\` is over its budget: ${spend.tokens} of ${limit.maxTokens} tokens are used.`;
    return { refused: 'tokens', message };
  }
  if (limit.maxUsd !== null && spend.usd >= limit.maxUsd) {
    const message = `Task \`${task}\` is over its budget: ${spend.usd.toFixed(2)} of ${limit.maxUsd.toFixed(2)} USD are used.`;
    return { refused: 'usd', message };
  }
  if (limit.maxCalls !== null && spend.calls >= limit.maxCalls) {
    const message = `Task \`${task}\` is over its budget: ${spend.calls} of ${limit.maxCalls} calls are made.`;
    return { refused: 'calls', message };
  }
  return null;
}

function deny(who: Who, refused: 'token-unknown' | 'token-expired', message: string): Admission {
  return { ok: false, refusal: { status: 403, type: 'permission_error', who, refused, message } };
}

/**
 * Refusals are settled too, but a guest that asks in a tight loop must not fill the disk: at most one a minute for the
 * same grant and reason.
 */
export function createRefusalBook(deps: { ledger: Ledger; clock: Clock }): (vm: string, refusal: Refusal) => void {
  const lastAt = new Map<string, number>();
  return (vm, { who, refused, status }) => {
    const key = JSON.stringify([vm, who.grant, refused]);
    const now = deps.clock.now();
    if (now - (lastAt.get(key) ?? Number.NEGATIVE_INFINITY) < 60_000) return;
    if (lastAt.size > 10_000) lastAt.clear();
    lastAt.set(key, now);
    const shown = status === 502 || status === 503 ? 0 : status;
    deps.ledger.settleRefusal(who, { at: now, status: shown, refused, retryAt: null });
  };
}
