import { spreadMs } from '../lib/backoff.ts';
import { toIso } from '../lib/clock.ts';

/**
 * What a provider's answers say of the limits of a credential, and what of it keeps calls from leaving until it is reset. The
 * gateway alone learns of it (`gateway/limits/`); everybody who works with that credential stands still together.
 */
export interface UsageLimit {
  /** `PROVIDER:FINGERPRINT:WINDOW`; another credential has another fingerprint. */
  id: string;
  provider: string;
  /** As the provider names it (`5h`, `7d`), or `requests` where it only said when to come back. */
  window: string;
  cause: LimitCause;
  /** How much of the window is used, where the provider tells. */
  usedRatio: number | null;
  since: number;
  until: number;
}

/** As the daemon keeps it. `lifted`: a person wants it to be tried, and the gateway is to be told. */
export interface KnownLimit extends UsageLimit {
  lifted: boolean;
}

/** How much of a window is used, as far as the provider tells. */
export interface UsageWindow {
  provider: string;
  window: string;
  usedRatio: number;
  until: number;
}

/** `reached`: the provider refuses calls. `kept-free`: it would not, but the rest of the window is left to the person. */
export const limitCauses = ['reached', 'kept-free'] as const;
export type LimitCause = (typeof limitCauses)[number];

/** A wait as short as this is sat out: agent CLIs do so by themselves (docs/decisions/0013). */
export const shortWaitMs = 60_000;
/** What was limited together does not start again in the same second. */
export const resumeSpreadMs = 20_000;

const families = new Set(['opus', 'sonnet', 'haiku']);

/** The family of models that a window is of (`7d_opus`), as it stands in their names; null for a window of all. */
export function familyOf(window: string): string | null {
  const family = /^\d+[hd]_([a-z]+)$/.exec(window)?.[1];
  return family !== undefined && families.has(family) ? family : null;
}

/**
 * The limit that keeps `who` (a task) from calling this provider, the one that holds longest; null when none does. `model`: what it works
 * with; null where its agent CLI chooses, so that any may be meant.
 */
export function limitFor(
  limits: readonly KnownLimit[],
  { provider, model, who, now }: { provider: string | null; model: string | null; who: string; now: number },
): UsageLimit | null {
  const isMeant = (family: string | null) => family === null || model === null || model.includes(family);
  const holding = limits.filter(
    (it) => !it.lifted && it.provider === provider && isMeant(familyOf(it.window)) && now < resumesAt(it, who),
  );
  return holding.reduce<UsageLimit | null>((last, it) => (last === null || it.until > last.until ? it : last), null);
}

/** When a task goes on: a few seconds after the reset, each a little later than another. */
export function resumesAt({ until }: UsageLimit, who: string): number {
  return until + spreadMs(who, resumeSpreadMs);
}

function sayWindow(window: string): string {
  const [, count, unit] = /^(\d+)([hd])(?:[_-].*)?$/.exec(window) ?? [];
  if (count === undefined) return window === 'requests' ? 'rate' : `\`${window}\``;
  const family = familyOf(window);
  return `${count}-${unit === 'h' ? 'hour' : 'day'}${family === null ? '' : ` ${family}`}`;
}

export function nameLimit({ provider, window, cause, usedRatio }: UsageLimit): string {
  if (cause === 'reached') return `the ${sayWindow(window)} limit of ${provider} is reached`;
  const used = usedRatio === null ? '' : `${Math.floor(usedRatio * 100 + 1e-9)} % of `;
  return `${used}the ${sayWindow(window)} usage window of ${provider} is used, the rest is kept free for you`;
}

/** Which limit, since when, until when. */
export function sayLimit(limit: UsageLimit): string {
  const why = limit.cause === 'kept-free' ? ' (limits.keepFreeOfUsageWindow in fleet.yaml)' : '';
  return `${nameLimit(limit)}${why}, since ${toIso(limit.since)}, until ${toIso(limit.until)}`;
}
