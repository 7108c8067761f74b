import type { IncomingHttpHeaders } from 'node:http';

/**
 * What the headers of an answer say of limits. Pure, and believes little: a time that is no time, is past, or lies further away
 * than any window is long, is left out or brought within bounds.
 *
 *   retry-after, retry-after-ms                                seconds or a date; milliseconds
 *   anthropic-ratelimit-unified-{status,reset}                 a subscription; seconds since the epoch
 *   anthropic-ratelimit-unified-representative-claim           the window that decided (`five_hour`, `seven_day`, …)
 *   anthropic-ratelimit-unified-{5h,7d,…}-{status,reset,utilization}
 *   anthropic-ratelimit-{requests,tokens,…}-{remaining,reset}  a key; RFC 3339
 *   x-ratelimit-{remaining,reset}-{requests,tokens}            OpenAI; a duration, `6m0s`
 */
export interface WindowSeen {
  /** `5h`, `7d`, or `requests` for what has no name. */
  window: string;
  isReached: boolean;
  usedRatio: number | null;
  until: number;
}

/** Longer than the longest window there is. */
export const longestLimitMs = 8 * 24 * 3_600_000;
const mostWindows = 12;

type Text = (name: string) => string;

/** The windows the answer tells of. For a 429 one of them is reached, if it says until when at all. */
export function readWindows(status: number, headers: IncomingHttpHeaders, now: number): WindowSeen[] {
  const text: Text = (name) => {
    const value = headers[name];
    const one = (Array.isArray(value) ? value[0] : value) ?? '';
    return one.length > 64 ? '' : one.trim();
  };
  const bounded = (time: number | null): number | null =>
    time !== null && Number.isFinite(time) && time > now ? Math.min(time, now + longestLimitMs) : null;
  const windows = unifiedWindows(headers, text, bounded);
  const isRejected = status === 429 && text('anthropic-ratelimit-unified-status') === 'rejected';
  if (isRejected && windows.some((it) => it.isReached)) return windows;
  // A window may be full and calls still pass, at extra cost; or calls are too many, and no window is full.
  const open = windows.map((it) => ({ ...it, isReached: false }));
  if (status !== 429) return open;
  const reset = bounded(epochSeconds(text('anthropic-ratelimit-unified-reset')));
  const claim = claims[text('anthropic-ratelimit-unified-representative-claim')] ?? 'requests';
  const until = bounded(retryAfter(text, now)) ?? bounded(emptyUntil(headers, text, now)) ?? reset;
  const [window, end] = isRejected && reset !== null ? [claim, reset] : ['requests', until];
  if (end === null) return open;
  return [...open.filter((it) => it.window !== window), { window, isReached: true, usedRatio: null, until: end }];
}

const claims: Readonly<Record<string, string>> = {
  five_hour: '5h',
  seven_day: '7d',
  seven_day_opus: '7d_opus',
  seven_day_sonnet: '7d_sonnet',
};
const unifiedName = /^anthropic-ratelimit-unified-(\d{1,3}[hd](?:_[a-z]{1,20})?)-reset$/;

function unifiedWindows(
  headers: IncomingHttpHeaders,
  text: Text,
  bounded: (time: number | null) => number | null,
): WindowSeen[] {
  const names = Object.keys(headers).flatMap((name) => unifiedName.exec(name)?.[1] ?? []);
  return names.slice(0, mostWindows).flatMap((window) => {
    const of = (what: string) => text(`anthropic-ratelimit-unified-${window}-${what}`);
    const until = bounded(epochSeconds(of('reset')));
    return until === null
      ? []
      : [{ window, isReached: of('status') === 'rejected', usedRatio: ratio(of('utilization')), until }];
  });
}

function retryAfter(text: Text, now: number): number | null {
  const ms = text('retry-after-ms');
  if (/^\d{1,13}(\.\d{1,6})?$/.test(ms)) return now + Number(ms);
  const after = text('retry-after');
  if (/^\d{1,13}(\.\d{1,6})?$/.test(after)) return now + Number(after) * 1000;
  return /[a-z]/i.test(after) ? Date.parse(after) : null;
}

/** Of the budgets of a key that have nothing left, when the last is filled again. */
function emptyUntil(headers: IncomingHttpHeaders, text: Text, now: number): number | null {
  let last: number | null = null;
  for (const name of Object.keys(headers)) {
    const anthropic = /^anthropic-ratelimit-((?:input-|output-)?(?:requests|tokens))-remaining$/.exec(name)?.[1];
    const openai = /^x-ratelimit-remaining-(requests|tokens)$/.exec(name)?.[1];
    if ((anthropic === undefined && openai === undefined) || text(name) !== '0') continue;
    const until =
      anthropic === undefined
        ? now + duration(text(`x-ratelimit-reset-${openai}`))
        : Date.parse(text(`anthropic-ratelimit-${anthropic}-reset`));
    if (Number.isFinite(until)) last = Math.max(last ?? 0, until);
  }
  return last;
}

const unitMs: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** `1h2m3.5s`, `20ms`; NaN for anything else. */
function duration(value: string): number {
  if (!/^(\d{1,9}(\.\d{1,9})?(ms|[dhms]))+$/.test(value)) return Number.NaN;
  const parts = value.matchAll(/(\d+(?:\.\d+)?)(ms|[dhms])/g);
  return [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * (unitMs[unit ?? ''] ?? Number.NaN), 0);
}

function epochSeconds(value: string): number | null {
  return /^\d{9,12}$/.test(value) ? Number(value) * 1000 : null;
}

function ratio(value: string): number | null {
  return /^\d{1,3}(\.\d{1,20})?$/.test(value) ? Math.min(1, Number(value)) : null;
}
