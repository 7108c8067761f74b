import { createAgent } from '../agents/registry.ts';
import type { FleetConfig } from '../domain/fleet.ts';
import type { Task } from '../domain/task.ts';
import type { IterationTrace } from '../domain/trace.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Store } from '../store/store.ts';
import { createFollower, type Follower } from '../telemetry/traces/follow-tasks.ts';
import { iterationRef, type Keyed, taskRef, traceparent } from '../telemetry/traces/ids.ts';
import { createOtlpSender, type OtlpSender } from '../telemetry/traces/otlp-sender.ts';
import { taskSpans } from '../telemetry/traces/task-spans.ts';

/** The daemon's part of the traces: where an iteration stands in them, and the spans of tasks as they end. */
export interface Traces extends Follower {
  of(task: Task, iteration: string): (IterationTrace & { traceparent: string }) | null;
  /** Null while no receiver is configured. */
  idOf(task: Task): string | null;
}

export interface TracesDeps {
  store: Store;
  clock: Clock;
  log: Log;
  config: () => FleetConfig;
  keyed: Keyed;
  version: string;
}

/** A task has a few events an iteration. */
const mostEvents = 20_000;

export function createTraces({ store, clock, log, config, keyed, version }: TracesDeps): Traces {
  let made: { url: string; sender: OtlpSender } | null = null;

  function sender(): OtlpSender | null {
    const url = config().telemetry.otlp;
    if (made?.url !== url) {
      void made?.sender.close();
      made = url === null ? null : { url, sender: createOtlpSender({ url, version }) };
    }
    return made?.sender ?? null;
  }

  function spansOf(id: string) {
    const task = store.tasks.get(id);
    if (task === null) return null;
    const deps = { keyed, fleet: config().name, providerOf: (agent: string) => createAgent(agent).provider };
    return taskSpans(deps, {
      task,
      iterations: store.iterations.list('WHERE task = ? ORDER BY startedAt', id),
      checkRuns: store.checkRuns.list('WHERE task = ? ORDER BY startedAt', id),
      reviews: store.reviews.list('WHERE task = ? ORDER BY at', id),
      approvals: store.approvals.list('WHERE task = ? ORDER BY at', id),
      events: store.events.of(id, mostEvents),
      spendOf: (iteration) => {
        const spend = store.spend.ofIteration(iteration);
        return spend && { ...spend, imputedUsd: store.spend.imputedUsd({ iteration }) };
      },
    });
  }

  const follower = createFollower({
    ...{ events: store.events, spansOf, sender, clock, log },
    cursor: {
      get: () => store.cursors.get('traces'),
      set: (seq) => store.cursors.set('traces', seq),
    },
  });
  return {
    ...follower,
    stop: async () => {
      await follower.stop();
      await made?.sender.close();
    },
    idOf: (task) => (config().telemetry.otlp === null ? null : taskRef(keyed, task).traceId),
    of: (task, iteration) => {
      const { otlp } = config().telemetry;
      if (otlp === null) return null;
      const ref = iterationRef(keyed, task, iteration);
      return { ...ref, otlp, traceparent: traceparent(ref) };
    },
  };
}
