import type { Level, Shortfall } from '../../contract/gateway.ts';
import { type Amounts, budgetChain } from '../../domain/budget.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Ledger, Reserving } from '../ledger/ledger.ts';
import { gone } from './level.ts';

/**
 * Lets calls through to the provider one by one. A call that others' reservations keep out waits here, the oldest first: nobody
 * passes one that waits at a level both count at. It waits until it fits, is refused for good, is called off, or has waited too long.
 *
 *   enter -> goes
 *         -> refused           it would pass a limit by itself
 *         -> held -> goes      others were settled for less, a limit was raised, or a new period began
 *                 -> refused   it would now pass a limit by itself
 *                 -> too long  may be asked again
 */
export interface Gate {
  /** Rejects with the signal's reason when the call is called off. */
  enter(call: Omit<Reserving, 'at' | 'heldMs'>, signal: AbortSignal): Promise<Entry>;
  /** Whether a level of the call has nothing left at all: what it would cost need not be known. */
  isShut(who: Reserving['who']): Shortfall | null;
  /** Something was settled, or a limit has changed: who waits is looked at again. */
  changed(): void;
  heldAt(node: string): number;
  /** Whoever waits is turned away with this reason: the books are another's from now on. */
  leave(reason: Error): void;
}

export type Entry =
  | { kind: 'go'; id: number; outputTokens: number; worst: Amounts; stored: Promise<void> }
  | { kind: 'refuse'; shortfall: Shortfall }
  | { kind: 'too long' | 'too many'; shortfall: Shortfall };

interface Waiting {
  chain: readonly string[];
  /** The level it waits at. */
  at: string;
  turnAway(reason: Error): void;
  /** True when it waits no longer. */
  retry(): boolean;
}

/** Less than the six minutes after which Claude Code gives a silent request up. */
const longestHoldMs = 300_000;
const mostHeld = 1000;

export function createGate({ ledger, clock }: { ledger: Ledger; clock: Clock }): Gate {
  const waiting: Waiting[] = [];
  let isLooking = false;
  let lookAgain = false;

  function reserve(
    call: Omit<Reserving, 'at' | 'heldMs'>,
    since: number | null,
  ): Entry | { kind: 'hold'; shortfall: Shortfall } {
    const now = clock.now();
    const heldMs = since === null ? 0 : Math.max(1, now - since);
    return ledger.reserve({ ...call, at: now, heldMs });
  }

  function look(): void {
    if (isLooking) {
      lookAgain = true;
      return;
    }
    isLooking = true;
    do {
      lookAgain = false;
      const shut = new Set<string>();
      for (const one of [...waiting]) {
        if (one.chain.some((node) => shut.has(node))) continue;
        if (one.retry()) waiting.splice(waiting.indexOf(one), 1);
        else shut.add(one.at);
      }
    } while (lookAgain);
    isLooking = false;
  }

  function isBehind(chain: readonly string[]): boolean {
    return waiting.some((one) => chain.includes(one.at));
  }

  function hold(
    call: Omit<Reserving, 'at' | 'heldMs'>,
    chain: readonly string[],
    shortfall: Shortfall,
    signal: AbortSignal,
  ): Promise<Entry> {
    const since = clock.now();
    const over = new AbortController();
    return new Promise<Entry>((resolve, reject) => {
      let last = shortfall;
      const end = (tell: () => void) => {
        over.abort();
        signal.removeEventListener('abort', leave);
        tell();
      };
      const one: Waiting = {
        chain,
        at: shortfall.node,
        turnAway: () => {},
        retry: () => {
          try {
            const entry = reserve(call, since);
            if (entry.kind !== 'hold') {
              end(() => resolve(entry));
              return true;
            }
            last = entry.shortfall;
            one.at = last.node;
            return false;
          } catch (error) {
            // The books cannot be written: that is this call's trouble, not that of who settled just now, or waits behind it.
            end(() => reject(error));
            return true;
          }
        },
      };
      const remove = () => {
        const at = waiting.indexOf(one);
        if (at >= 0) waiting.splice(at, 1);
      };
      const turnAway = (reason: unknown) => {
        over.abort();
        signal.removeEventListener('abort', leave);
        remove();
        reject(reason);
      };
      const leave = () => {
        turnAway(signal.reason);
        look();
      };
      one.turnAway = turnAway;
      signal.addEventListener('abort', leave, { once: true });
      waiting.push(one);
      void tick(over.signal, since + longestHoldMs, () => last.until).then((isLate) => {
        if (!isLate) return;
        remove();
        end(() => resolve({ kind: 'too long', shortfall: last }));
        look();
      });
    });
  }

  /** A new period begins without anybody saying so. True when the wait was too long. */
  async function tick(signal: AbortSignal, latest: number, until: () => number | null): Promise<boolean> {
    for (;;) {
      const now = clock.now();
      const next = until();
      try {
        await clock.sleep((next !== null && next > now ? Math.min(next, latest) : latest) - now, signal);
      } catch {
        return false;
      }
      if (clock.now() >= latest) return true;
      look();
      if (signal.aborted) return false;
    }
  }

  return {
    enter: async (call, signal) => {
      signal.throwIfAborted();
      const chain = budgetChain(call.who);
      if (!isBehind(chain)) {
        const entry = reserve(call, null);
        if (entry.kind !== 'hold') return entry;
        if (waiting.length >= mostHeld) return { ...entry, kind: 'too many' };
        return hold(call, chain, entry.shortfall, signal);
      }
      const first = waiting.find((one) => chain.includes(one.at));
      const shortfall = shortfallAt(ledger.levels(chain, clock.now()), first?.at ?? chain[0] ?? '');
      if (waiting.length >= mostHeld) return { kind: 'too many', shortfall };
      return hold(call, chain, shortfall, signal);
    },
    isShut: (who) => gone(ledger.levels(budgetChain(who), clock.now())),
    changed: look,
    leave: (reason) => {
      for (const one of [...waiting]) one.turnAway(reason);
    },
    heldAt: (node) => waiting.filter((one) => one.chain.includes(node)).length,
  };
}

/** Behind one that waits at a level: what stands there now. */
function shortfallAt(levels: readonly Level[], node: string): Shortfall {
  const level = levels.find((it) => it.node === node) ?? levels[0];
  if (level === undefined) throw new Error('a call counts at one level at least');
  const unit = (['usd', 'tokens', 'calls'] as const).find((it) => level.limit[it] !== null) ?? 'calls';
  const limit = level.limit[unit] ?? 0;
  return { node: level.node, unit, per: level.per, limit, used: level.settled[unit], needed: 0, until: level.until };
}
