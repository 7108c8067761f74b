import type { Random } from '../../lib/random.ts';
import type { Driver } from '../driver.ts';

/** The calls of a driver that can go wrong. */
export type DriverCall = Exclude<keyof Driver, 'name' | 'wall' | 'canFork' | 'probe' | 'endpoint'>;

export type Fault =
  /** Nothing happens, the call fails. */
  | { kind: 'fail-before' }
  /** The effect happens, its reply is lost. */
  | { kind: 'fail-after' }
  /**
   * Cut off in the middle: `create`, `fork` and `remove` leave a half-made VM, `saveTemplate` one that is off, `snapshot` one that stands
   * still; else as `fail-before`.
   */
  | { kind: 'cut-off' }
  /** The effect happens twice. */
  | { kind: 'doubled' }
  | { kind: 'slow'; ms: number }
  /** No reply until the driver's deadline, then `driver_unavailable`; no effect. */
  | { kind: 'hang' }
  /** The VM the call is about dies, just before the call. */
  | { kind: 'vm-dies' };

/** Asked once per call; null = all goes well. */
export interface Faults {
  next(call: DriverCall, id: string | null): Fault | null;
}

export const noFaults: Faults = { next: () => null };

export interface ScriptedFault {
  call: DriverCall;
  /** Only calls about this VM; default any. */
  id?: string;
  /** How many matching calls go well before; default 0. */
  after?: number;
  fault: Fault;
}

/** Each line of the script strikes once. */
export function createScriptedFaults(script: readonly ScriptedFault[]): Faults {
  const waiting = script.map((line) => ({ ...line, left: line.after ?? 0 }));
  return {
    next(call, id) {
      for (const [at, line] of waiting.entries()) {
        if (line.call !== call || (line.id !== undefined && line.id !== id)) continue;
        if (line.left-- > 0) continue;
        waiting.splice(at, 1);
        return line.fault;
      }
      return null;
    },
  };
}

const kinds = ['fail-before', 'fail-after', 'cut-off', 'doubled', 'slow', 'hang', 'vm-dies'] as const;

/** Strikes a share `rate` (0-1) of all calls, kind and length drawn from `random`, so that a seed replays. */
export function createSeededFaults(options: { random: Random; rate: number; slowMs?: number }): Faults {
  const draw = (below: number) => Number.parseInt(options.random.hex(4), 16) % below;
  return {
    next() {
      if (draw(100_000) >= options.rate * 100_000) return null;
      const kind = kinds[draw(kinds.length)] ?? 'fail-before';
      return kind === 'slow' ? { kind, ms: 1 + draw(options.slowMs ?? 10_000) } : { kind };
    },
  };
}
