import type { Iteration } from '../../domain/iteration.ts';
import type { ModelCalls } from '../../loop/ports.ts';
import type { GuestSeen, Observed } from '../plan/world.ts';

/** Looks that are further apart do not make one silence: the host may have slept between them, and its VMs with it. */
const longestGapMs = 120_000;

interface Sign {
  /** Size of the stream, calls begun. */
  mark: string;
  since: number;
  at: number;
}

/**
 * Since when running iterations give no sign of life: nothing printed, no model call begun, none open. Only what was seen counts:
 * a guest or gateway that could not be asked, and a daemon that starts anew, begin a new silence. An iteration that is not in the
 * answer is not known to be silent.
 */
export function createQuietWatch() {
  let known = new Map<string, Sign>();
  return (
    iterations: readonly Iteration[],
    seen: { guests: ReadonlyMap<string, GuestSeen>; calls: ReadonlyMap<string, ModelCalls> | null; now: number },
  ): Observed['quiet'] => {
    const before = known;
    known = new Map();
    for (const { id, vm, phase } of iterations) {
      const guest = seen.guests.get(vm);
      const job = guest?.ok ? guest.jobs.get(id) : undefined;
      if (phase !== 'running' || job?.state !== 'running' || seen.calls === null) continue;
      const { open, begun } = seen.calls.get(id) ?? { open: 0, begun: 0 };
      const mark = `${job.streamBytes} ${begun}`;
      const last = before.get(id);
      const isSame = last !== undefined && last.mark === mark && open === 0 && seen.now - last.at <= longestGapMs;
      known.set(id, { mark, since: isSame ? last.since : seen.now, at: seen.now });
    }
    return new Map([...known].map(([id, { since }]) => [id, since]));
  };
}
