import type { Put } from './meters.ts';
import { metrics } from './metrics.ts';
import type { Counts, DropReason } from './traces/queue.ts';

/** What became of the spans of a process; its counts begin anew with it. */
export function fillSpans(put: Put, from: 'daemon' | 'gateway', { exported, dropped }: Counts): void {
  put.lived('spans_exported_total', { from }, exported);
  for (const reason of metrics.spans_dropped_total.labels.reason)
    put.lived('spans_dropped_total', { from, reason }, dropped[reason as DropReason]);
}
