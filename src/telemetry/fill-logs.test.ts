import { expect, it } from 'vitest';
import { fillLogs } from './fill-logs.ts';
import { createMeters } from './meters.ts';

it('what the relay says of itself can be scraped; without a relay nothing is said', async () => {
  const meters = createMeters({ only: () => true, withProcess: false, onError: (error) => expect(error).toBe(null) });
  let shipping = false;
  meters.addSource((put) =>
    fillLogs(
      put,
      shipping
        ? {
            shippedLines: { daemon: 5, someday: 2 },
            shippedBytes: 9,
            droppedLines: { cap: 1, too_old: 0, rejected: 0 },
            pushFailures: { refused: 0, overloaded: 3, error: 0, unreachable: 0 },
            backlogBytes: 77,
            lagMs: { daemon: 1500 },
            ...{ state: 'sending', since: 0, why: null, lastTakenAt: null },
          }
        : null,
    ),
  );
  const lines = async () => (await meters.scrape('text/plain', [])).text.split('\n');
  expect(await lines()).not.toContain('ralph_fleet_logs_backlog_bytes 77');
  shipping = true;
  const said = await lines();
  for (const line of [
    'ralph_fleet_logs_shipped_lines_total{stream="daemon"} 5',
    'ralph_fleet_logs_shipped_lines_total{stream="other"} 2',
    'ralph_fleet_logs_dropped_lines_total{reason="cap"} 1',
    'ralph_fleet_logs_push_failures_total{reason="overloaded"} 3',
    'ralph_fleet_logs_backlog_bytes 77',
    'ralph_fleet_logs_lag_seconds{stream="daemon"} 1.5',
  ])
    expect(said).toContain(line);
});
