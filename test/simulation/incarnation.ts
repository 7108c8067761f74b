import { FleetError } from '../../src/lib/errors.ts';
import type { Dice } from './random.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** One life of the daemon. After its crash nothing it does reaches the world any more. */
export interface Incarnation {
  dead: boolean;
  /** Called when it crashes. */
  onCrash: () => void;
}

export interface Faults {
  crash: number;
  errorBefore: number;
  lostReply: number;
  slow: number;
  /** Takes some milliseconds, so that calls overtake each other. */
  late: number;
  /** No answer until the deadline; the effect may have happened or not. */
  hang: number;
  /** The effect happens twice. */
  doubled: number;
}

export const noFaults: Faults = { crash: 0, errorBefore: 0, lostReply: 0, slow: 0, late: 0.1, hang: 0, doubled: 0 };

interface Wrapping {
  life: Incarnation;
  clock: VirtualClock;
  dice: Dice;
  faults: () => Faults;
  /** Whether this port, or the host's disk (`storage`), is away for a while. */
  isAway: (name: string) => boolean;
  note: (what: string) => void;
}

const never = new Promise<never>(() => {});

/** A port whose every call may be slow, fail before its effect, lose its reply after it, or be the daemon's last. */
export function withFaults<T extends object>(port: T, name: string, using: Wrapping): T {
  return new Proxy(port, {
    get(target, key) {
      const member = target[key as keyof T];
      if (typeof member !== 'function' || typeof key !== 'string') return member;
      if (synchronous.has(key)) return member;
      const call = (...args: unknown[]) => (member as (...all: unknown[]) => Promise<unknown>).apply(target, args);
      return (...args: unknown[]) => strike(() => call(...args), { name, where: `${name}.${key}`, using });
    },
  });
}

interface Struck {
  name: string;
  where: string;
  using: Wrapping;
}

async function strike(call: () => Promise<unknown>, { name, where, using }: Struck): Promise<unknown> {
  const { life, clock, dice } = using;
  if (life.dead) return never;
  const faults = using.faults();
  if (dice.chance(faults.crash)) return die(using, `before ${where}`);
  if (dice.chance(faults.slow)) await clock.sleep(dice.between(1_000, 40_000));
  else if (dice.chance(faults.late)) await clock.sleep(dice.between(1, 20));
  if (life.dead) return never;
  if (using.isAway(name) || dice.chance(faults.errorBefore)) throw unavailable(name, where);
  if (dice.chance(faults.hang) && (await hang(using))) throw unavailable(name, where);
  if (life.dead) return never;
  if (dice.chance(faults.doubled)) await call();
  const result = await call();
  return answered(result, { name, where, using });
}

/** Half of the calls that hung come to nothing. */
async function hang({ clock, dice }: Wrapping): Promise<boolean> {
  await clock.sleep(30_000);
  return dice.chance(0.5);
}

function answered(result: unknown, { name, where, using }: Struck): unknown {
  const { life, dice } = using;
  if (life.dead) return never;
  const faults = using.faults();
  if (dice.chance(faults.crash)) return die(using, `after ${where}`);
  if (dice.chance(faults.lostReply)) throw unavailable(name, where);
  return result;
}

function die({ life, note }: Wrapping, where: string): Promise<never> {
  note(`CRASH ${where}`);
  life.dead = true;
  life.onCrash();
  return never;
}

/** Calls that answer at once and cannot fail. */
const synchronous = new Set(['endpoint', 'forget', 'adapter']);

function unavailable(name: string, where: string): FleetError {
  const code =
    name === 'guests'
      ? 'guest_unreachable'
      : name === 'gateway'
        ? 'gateway_unavailable'
        : name === 'driver'
          ? 'driver_unavailable'
          : 'command_failed';
  return new FleetError(code, `fault: ${where}`);
}

/** The store of one life: a crash may come just before or just after any transaction. */
export function withCrashes<T extends { tx<R>(work: () => R): R }>(store: T, using: Wrapping): T {
  const { life, dice, note } = using;
  let depth = 0;
  const stop = (where: string) => {
    if (!life.dead) {
      note(`CRASH ${where}`);
      life.dead = true;
      life.onCrash();
    }
    throw new DOMException('crashed', 'AbortError');
  };
  return {
    ...store,
    tx<R>(work: () => R): R {
      if (life.dead) throw new DOMException('crashed', 'AbortError');
      if (depth > 0) return store.tx(work);
      if (dice.chance(using.faults().crash)) stop('before a transaction');
      depth++;
      try {
        const result = store.tx(() => {
          const made = work();
          if (using.isAway('storage')) throw new FleetError('storage', 'fault: the disk is full');
          return made;
        });
        if (dice.chance(using.faults().crash)) stop('after a transaction');
        return result;
      } finally {
        depth--;
      }
    },
  };
}
