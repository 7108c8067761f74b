import type { LogFigures } from './logs/figures.ts';
import type { Put } from './meters.ts';
import { metrics } from './metrics.ts';

type Stream = (typeof metrics.logs_lag_seconds.labels.stream)[number];

/** How logs get on their way to Loki; null: none are shipped, and nothing is said. */
export function fillLogs(put: Put, figures: LogFigures | null): void {
  if (figures === null) return;
  const { shippedLines, droppedLines, pushFailures, backlogBytes, lagMs } = figures;
  for (const [name, lines] of Object.entries(shippedLines))
    put.total('logs_shipped_lines_total', { stream: streamOf(name) }, lines);
  for (const reason of metrics.logs_dropped_lines_total.labels.reason)
    put.total('logs_dropped_lines_total', { reason }, droppedLines[reason as keyof typeof droppedLines] ?? 0);
  for (const reason of metrics.logs_push_failures_total.labels.reason)
    put.lived('logs_push_failures_total', { reason }, pushFailures[reason as keyof typeof pushFailures]);
  put.set('logs_backlog_bytes', {}, backlogBytes);
  for (const [name, ms] of Object.entries(lagMs)) put.set('logs_lag_seconds', { stream: streamOf(name) }, ms / 1000);
}

function streamOf(name: string): Stream {
  return metrics.logs_lag_seconds.labels.stream.find((stream) => stream === name) ?? 'other';
}
