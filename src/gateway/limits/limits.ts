import type { IncomingHttpHeaders } from 'node:http';
import type { Provider } from '../../domain/credential.ts';
import { familyOf, type LimitCause, shortWaitMs, type UsageLimit, type UsageWindow } from '../../domain/usage-limit.ts';
import { spreadMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { hmacSha256 } from '../../lib/digest.ts';
import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { LimitRows, WindowRow } from '../ledger/limits.ts';
import { readWindows, type WindowSeen } from './read.ts';

/**
 * Limits of a credential, shared by all who call with it:
 *
 *   an answer says that a window is reached, or nearly used up
 *     -> short  (a minute at most): calls wait here until it is over
 *     -> longer: calls are refused until its reset, so that agent CLIs end; the daemon parks what they worked on
 *
 * A credential is known by its provider and a fingerprint, so that what limits one does not limit the next. Longer limits are kept
 * in the ledger and outlive this process.
 */
export interface Limits {
  /** What an answer says; the limit that a 429 means, if it says until when. */
  learn(caller: Caller, status: number, headers: IncomingHttpHeaders): UsageLimit | null;
  /** Resolves when the call may leave: null; or with the limit that is too long to wait for. */
  pass(caller: Caller, signal: AbortSignal): Promise<UsageLimit | null>;
  /** The share of each window that is left to the person. */
  keepFree(share: number): void;
  /** Forgets a limit that was learned at `since` or before. */
  lift(id: string, since: number): void;
  /** What holds for these credentials, and the windows they tell of. */
  told(credentials: readonly Credential[]): { limits: UsageLimit[]; windows: UsageWindow[] };
}

export interface Credential {
  provider: Provider;
  key: string;
}

export interface Caller extends Credential {
  /** Waits of several end a little after each other. */
  name: string;
  /** Once it is known; until then only windows of all models count. */
  model?: string;
}

/** A call that has waited this long goes, whatever limits were learned meanwhile: its agent CLI must not take it for dead. */
const longestWaitMs = 180_000;
const spreadAfterWaitMs = 2_000;
const mostWindows = 20;

export function createLimits(deps: { rows: LimitRows; clock: Clock; log: Log; random: Random }): Limits {
  const { rows, clock, log } = deps;
  const salt = rows.salt(() => deps.random.hex(32));
  const known = new Map<string, Map<string, WindowRow>>();
  let share = rows.keepFree();
  rows.dropUntil(clock.now());
  for (const row of rows.list()) rowsOf(row.credential).set(row.window, row);

  function rowsOf(credential: string): Map<string, WindowRow> {
    const own = known.get(credential) ?? new Map<string, WindowRow>();
    known.set(credential, own);
    return own;
  }

  const idOf = ({ provider, key }: Credential) => `${provider}:${hmacSha256(salt, `${provider}\n${key}`).slice(0, 12)}`;

  function holdingFor(caller: Caller): UsageLimit[] {
    return holding(idOf(caller)).filter(({ window }) => {
      const family = familyOf(window);
      return family === null || caller.model?.includes(family) === true;
    });
  }

  function holding(credential: string): UsageLimit[] {
    const now = clock.now();
    return [...(known.get(credential)?.values() ?? [])].flatMap((row) => {
      const cause = row.until > now ? causeOf(row, share) : null;
      return cause === null ? [] : [toLimit(row, cause)];
    });
  }

  function note(credential: string, seen: WindowSeen): void {
    const own = rowsOf(credential);
    const before = own.get(seen.window);
    const now = clock.now();
    const isOpen = before !== undefined && before.until > now;
    // An answer to a call from before the limit does not lift it.
    if (isOpen && before.isReached && !seen.isReached) return;
    if (before === undefined && own.size >= mostWindows) return;
    const goesOn = isOpen && isLong(before) && causeOf(before, share) !== null;
    const row: WindowRow = { credential, ...seen, since: goesOn ? before.since : now };
    if (isOpen && seen.isReached && before.isReached) row.until = Math.max(row.until, before.until);
    own.set(seen.window, row);
    if (before !== undefined && isSame(before, row)) return;
    if (!isLong(row) && !(before !== undefined && isLong(before))) return;
    rows.put(row);
    const cause = causeOf(row, share);
    if (cause === null || goesOn) return;
    const { provider, until } = toLimit(row, cause);
    log.warn({ provider, window: row.window, cause, until: new Date(until).toISOString() }, 'a usage limit holds');
  }

  return {
    learn: (caller, status, headers) => {
      const seen = readWindows(status, headers, clock.now());
      if (seen.length === 0) return null;
      const credential = idOf(caller);
      for (const one of seen) note(credential, one);
      return status === 429 ? longest(holdingFor(caller).filter((it) => it.cause === 'reached')) : null;
    },
    pass: async (caller, signal) => {
      const latest = clock.now() + longestWaitMs;
      for (;;) {
        const limit = longest(holdingFor(caller));
        const now = clock.now();
        if (limit === null) return null;
        if (limit.until - now > shortWaitMs) return limit;
        if (now >= latest) return null;
        await clock.sleep(limit.until - now + spreadMs(caller.name, spreadAfterWaitMs), signal);
      }
    },
    keepFree: (next) => {
      if (next === share) return;
      share = next;
      rows.setKeepFree(next);
    },
    lift: (id, since) => {
      for (const own of known.values()) {
        for (const row of own.values()) {
          if (idOfLimit(row) !== id || row.since > since) continue;
          own.delete(row.window);
          rows.drop(row);
          log.info({ limit: id }, 'a usage limit is tried');
        }
      }
    },
    told: (credentials) => {
      const ids = credentials.map(idOf);
      const now = clock.now();
      const windows = ids.flatMap((id) => [...(known.get(id)?.values() ?? [])].filter((row) => row.until > now));
      return {
        limits: ids.flatMap(holding).filter(isLong),
        windows: windows.flatMap(({ credential, window, usedRatio, until }) =>
          usedRatio === null ? [] : [{ provider: providerOf(credential), window, usedRatio, until }],
        ),
      };
    },
  };
}

function causeOf({ isReached, usedRatio }: WindowRow, keepFree: number): LimitCause | null {
  if (isReached) return 'reached';
  return keepFree > 0 && usedRatio !== null && usedRatio >= 1 - keepFree - 1e-9 ? 'kept-free' : null;
}

function toLimit({ credential, window, usedRatio, since, until }: WindowRow, cause: LimitCause): UsageLimit {
  return {
    id: idOfLimit({ credential, window }),
    provider: providerOf(credential),
    window,
    cause,
    usedRatio,
    since,
    until,
  };
}

function idOfLimit({ credential, window }: Pick<WindowRow, 'credential' | 'window'>): string {
  return `${credential}:${window}`;
}

function isLong({ since, until }: { since: number; until: number }): boolean {
  return until - since > shortWaitMs;
}

function longest(limits: readonly UsageLimit[]): UsageLimit | null {
  return limits.reduce<UsageLimit | null>((last, it) => (last === null || it.until > last.until ? it : last), null);
}

function isSame(one: WindowRow, other: WindowRow): boolean {
  return (Object.keys(one) as (keyof WindowRow)[]).every((key) => one[key] === other[key]);
}

function providerOf(credential: string): string {
  return credential.slice(0, credential.indexOf(':'));
}
