import type { Iteration } from '../../domain/iteration.ts';
import type { ModelCalls } from '../../loop/ports.ts';
import type { GuestSeen, Observed } from '../plan/world.ts';
import { longestGapMs } from './sleep.ts';

interface Sign {
  /** Size of the stream, calls begun: both only grow, so that nothing between two looks stays unseen. */
  mark: string;
  quietMs: number;
  /** When it was last seen; null when it could not be asked since. */
  at: number | null;
}

/**
 * How long running iterations have given no sign of life: nothing printed, no model call begun, none open. Only time in which guest
 * and gateway could be asked counts; a daemon that starts anew begins a new silence. An iteration that is not in the answer is not
 * known to be silent.
 */
export function createQuietWatch() {
  let known = new Map<string, Sign>();
  return (
    iterations: readonly Iteration[],
    seen: { guests: ReadonlyMap<string, GuestSeen>; calls: ReadonlyMap<string, ModelCalls> | null; now: number },
  ): Observed['quiet'] => {
    const before = known;
    const quiet = new Map<string, number>();
    known = new Map();
    for (const { id, vm, phase } of iterations) {
      if (phase !== 'running') continue;
      const last = before.get(id);
      const guest = seen.guests.get(vm);
      if (!guest?.ok || seen.calls === null) {
        if (last !== undefined) known.set(id, { ...last, at: null });
        continue;
      }
      const job = guest.jobs.get(id);
      if (job?.state !== 'running') continue;
      const { open, begun } = seen.calls.get(id) ?? { open: 0, begun: 0 };
      const sign = { mark: `${job.streamBytes} ${begun}`, quietMs: 0, at: seen.now };
      if (last?.mark === sign.mark && open === 0) sign.quietMs = last.quietMs + counted(last.at, seen.now);
      known.set(id, sign);
      quiet.set(id, sign.quietMs);
    }
    return quiet;
  };
}

function counted(from: number | null, to: number): number {
  return from === null || to - from > longestGapMs ? 0 : Math.max(0, to - from);
}
