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
  /** Called after a transaction was taken back. */
  onTakenBack: () => void;
}

/** What a dead daemon waits for. A new one each time: what waits for it would otherwise never be let go. */
export function never(): Promise<never> {
  return new Promise(() => {});
}

/** A port whose every call may be slow, fail before its effect, lose its reply after it, or be the daemon's last. */
export function withFaults<T extends object>(port: T, name: string, using: Wrapping): T {
  const wrapped: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(port)) {
    const struck = { name, where: `${name}.${key}`, using };
    wrapped[key] =
      typeof member !== 'function' || synchronous.has(key)
        ? member
        : (...args: unknown[]) => strike({ port, member, args }, struck);
  }
  return wrapped as T;
}

interface Call {
  port: object;
  member: (...args: unknown[]) => Promise<unknown>;
  args: unknown[];
}

interface Struck {
  name: string;
  where: string;
  using: Wrapping;
}

async function strike({ port, member, args }: Call, { name, where, using }: Struck): Promise<unknown> {
  const { life, clock, dice } = using;
  if (life.dead) return never();
  const faults = using.faults();
  if (dice.chance(faults.crash)) return die(using, `before ${where}`);
  if (dice.chance(faults.slow)) await clock.sleep(dice.between(1_000, 40_000));
  else if (dice.chance(faults.late)) await clock.sleep(dice.between(1, 20));
  if (life.dead) return never();
  if (using.isAway(name) || dice.chance(faults.errorBefore)) throw unavailable(name, where);
  if (dice.chance(faults.hang) && (await hang(using))) throw unavailable(name, where);
  if (life.dead) return never();
  if (dice.chance(faults.doubled)) await member.apply(port, args);
  const result = await member.apply(port, args);
  return answered(result, { name, where, using });
}

/** Half of the calls that hung come to nothing. */
async function hang({ clock, dice }: Wrapping): Promise<boolean> {
  await clock.sleep(30_000);
  return dice.chance(0.5);
}

function answered(result: unknown, { name, where, using }: Struck): unknown {
  const { life, dice } = using;
  if (life.dead) return never();
  const faults = using.faults();
  if (dice.chance(faults.crash)) return die(using, `after ${where}`);
  if (dice.chance(faults.lostReply)) throw unavailable(name, where);
  return result;
}

function die({ life, note }: Wrapping, where: string): Promise<never> {
  note(`CRASH ${where}`);
  life.dead = true;
  life.onCrash();
  return never();
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
  function stored<R>(work: () => R): R {
    try {
      return store.tx(() => {
        const made = work();
        if (using.isAway('storage')) throw new FleetError('storage', 'fault: the disk is full');
        return made;
      });
    } catch (error) {
      using.onTakenBack();
      throw error;
    }
  }
  return {
    ...store,
    tx<R>(work: () => R): R {
      if (life.dead) throw new DOMException('crashed', 'AbortError');
      if (depth > 0) return store.tx(work);
      if (dice.chance(using.faults().crash)) stop('before a transaction');
      depth++;
      try {
        const result = stored(work);
        if (dice.chance(using.faults().crash)) stop('after a transaction');
        return result;
      } finally {
        depth--;
      }
    },
  };
}
