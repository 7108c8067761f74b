import { performance } from 'node:perf_hooks';
import { stepKinds } from '../reconcile/execute/execute.ts';
import type { RunnerWatch } from '../reconcile/runner.ts';
import type { Store } from '../store/store.ts';
import { createRowCounter } from '../telemetry/count-rows.ts';
import type { Meters } from '../telemetry/meters.ts';
import { metrics } from '../telemetry/metrics.ts';

/** Counts what happens to the store's rows, from now on. */
export function countWrites(store: Store, meters: Meters, now: () => number): void {
  const rows = createRowCounter({ add: store.tallies.add, meters, now });
  store.tasks.onWrite(rows.task);
  store.vms.onWrite(rows.vm);
  store.iterations.onWrite(rows.iteration);
  store.checkRuns.onWrite(rows.checkRun);
  store.reviews.onWrite(rows.review);
  store.approvals.onWrite(rows.approval);
}

/** Counts and times passes and steps. */
export function watchRunner(meters: Meters): RunnerWatch {
  for (const step of stepKinds) {
    meters.bear('step_seconds', { step });
    for (const result of metrics.steps_total.labels.result) meters.bear('steps_total', { step, result });
  }
  return {
    now: () => performance.now(),
    pass: (result) => meters.count('passes_total', { result }),
    stage: (stage, ms) => meters.observe('pass_seconds', { stage }, ms / 1000),
    step(step, result, ms) {
      meters.count('steps_total', { step, result });
      meters.observe('step_seconds', { step }, ms / 1000);
    },
  };
}
