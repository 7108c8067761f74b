import { createHash } from 'node:crypto';
import type { Found } from '../../credentials/found.ts';
import { look, type Source } from '../../credentials/sources.ts';
import {
  type CredentialLook,
  type CredentialSource,
  isSameSource,
  type Provider,
  saySource,
} from '../../domain/credential.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';

/**
 * The user's credential for one provider. It lives in this process's memory and in the headers of requests to the upstream,
 * nowhere else: not in argv, logs, errors, settlements or a guest.
 *
 *   missing <-> present -> expired      by what its source holds, looked at anew when an answer is no longer fresh
 *               present -> refused      the provider turned it down; so it stays until it is another one, or a person says again
 */
export interface Credential {
  /** What the next call goes up with. At once while what is known is fresh: no call waits for a file or a keychain then. */
  take(): Taken | Promise<Taken>;
  /** The provider turned down what this fingerprint stands for. */
  turnDown(fingerprint: string, status: number): void;
  /** How it stands now. */
  look(): Promise<CredentialLook>;
  /** From now on it comes from there, and is looked at anew. `again`: what the provider turned down is tried once more. */
  use(source: CredentialSource, again?: boolean): void;
  /** The text without any credential that was read here, wherever it stands in it. */
  hide(text: string): string;
}

export interface Key {
  key: string;
  fingerprint: string;
  /** It goes up as an OAuth token, and its dollars are imputed. */
  isSubscription: boolean;
}

/** Why there is none is in the look. */
export type Taken = (Key & { ok: true }) | { ok: false; look: CredentialLook };

export interface CredentialDeps {
  provider: Provider;
  open: (source: CredentialSource) => Source;
  clock: Clock;
  log: () => Log;
}

interface Seen {
  found: Found;
  at: number;
}

interface Good extends Key {
  expiresAt: number | null;
}

export function createCredential(deps: CredentialDeps, first: CredentialSource): Credential {
  const { provider, clock, log } = deps;
  const hidden = new Set<string>();
  const turnedDown = new Map<string, { at: number; status: number }>();
  let source = first;
  let opened = deps.open(first);
  let seen: Seen | null = null;
  let good: Good | null = null;
  let unclearSince: number | null = null;
  let asking: Promise<void> | null = null;
  let told = { as: '', since: clock.now() };

  async function ask(): Promise<void> {
    const asked = opened;
    const found = await look(asked);
    if (asked !== opened) return ask(); // another source meanwhile
    note(found);
  }

  function note(found: Found): void {
    seen = { found, at: clock.now() };
    if (found.kind === 'there') {
      hidden.add(found.key);
      const { key, isSubscription, expiresAt } = found;
      good = { key, isSubscription, expiresAt, fingerprint: fingerprintOf(key) };
    } else if (found.kind === 'absent') good = null;
    unclearSince = found.kind === 'unclear' ? (unclearSince ?? seen.at) : null;
    if (unclearSince !== null && seen.at - unclearSince > opened.graceMs) good = null;
    lookNow();
  }

  function isFresh(): boolean {
    return seen !== null && clock.now() - seen.at <= opened.freshMs;
  }

  function refresh(): Promise<void> {
    asking ??= ask().finally(() => {
      asking = null;
    });
    return asking;
  }

  /** A change is logged once; `since` is when it came to be so. */
  function lookNow(): CredentialLook {
    const it = describe({ provider, source, seen, good, now: clock.now(), turnedDown });
    const as = JSON.stringify([it.state, it.fingerprint, saySource(source)]);
    if (told.as !== as) {
      told = { as, since: it.since };
      const { state, why, fingerprint } = it;
      log()[state === 'present' ? 'info' : 'warn'](
        { provider, source: saySource(source), state, why, fingerprint },
        'credential',
      );
    }
    return { ...it, since: told.since };
  }

  function taken(): Taken {
    const isGood =
      good !== null && !turnedDown.has(good.fingerprint) && !(good.expiresAt !== null && good.expiresAt <= clock.now());
    return good !== null && isGood ? { ok: true, ...good } : { ok: false, look: lookNow() };
  }

  return {
    take: () => (isFresh() ? taken() : refresh().then(taken)),
    turnDown(fingerprint, status) {
      if (!turnedDown.has(fingerprint)) turnedDown.set(fingerprint, { at: clock.now(), status });
      lookNow();
    },
    async look() {
      if (!isFresh()) await refresh();
      return lookNow();
    },
    use(next, again = false) {
      if (again) turnedDown.clear();
      if (isSameSource(next, source) && !again) return;
      if (!isSameSource(next, source)) good = null;
      source = next;
      opened = deps.open(next);
      seen = null;
      unclearSince = null;
    },
    hide: (text) => [...hidden].reduce((shown, key) => shown.replaceAll(key, '[redacted]'), text),
  };
}

export function fingerprintOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 12);
}

interface Known {
  provider: Provider;
  source: CredentialSource;
  seen: Seen | null;
  good: Good | null;
  now: number;
  turnedDown: ReadonlyMap<string, { at: number; status: number }>;
}

function describe({ provider, source, seen, good, now, turnedDown }: Known): CredentialLook {
  const found = seen?.found ?? null;
  const problem = found === null || found.kind === 'there' ? null : found;
  const base = { provider, source, why: problem?.why ?? null, remedy: problem?.remedy ?? null };
  if (good === null) return { ...base, state: 'missing', kind: null, fingerprint: null, since: now };
  const { fingerprint, isSubscription, expiresAt } = good;
  const its = { ...base, kind: isSubscription ? 'subscription' : 'key', fingerprint } as const;
  const refused = turnedDown.get(fingerprint);
  if (refused !== undefined) {
    const why = `the provider turned down ${saySource(source)} (${refused.status})`;
    return { ...its, state: 'refused', since: refused.at, why, remedy: replaceIt(provider, source) };
  }
  if (expiresAt !== null && expiresAt <= now) {
    const why = `${saySource(source)} has expired`;
    return { ...its, state: 'expired', since: expiresAt, why, remedy: replaceIt(provider, source) };
  }
  return { ...its, state: 'present', since: now };
}

function replaceIt(provider: Provider, source: CredentialSource): string {
  if (source.from === 'claude-login') return 'run `claude` once on this host: it renews its login';
  if (source.from === 'setup-token') return `claude setup-token, then: ralph-fleet credential set ${provider}`;
  return `give another one: ralph-fleet credential set ${provider}   (if this one is good again: ralph-fleet credential use ${provider})`;
}
