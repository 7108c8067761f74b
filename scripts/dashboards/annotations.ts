import { logs, metric, type Query } from './panel.ts';

/** What is drawn across every panel. */
export const annotations: readonly { name: string; query: Query; colour: string; title: string; atValue?: true }[] = [
  {
    name: 'Daemon started',
    query: metric('max(ralph_fleet_start_timestamp_seconds) * 1000'),
    colour: 'blue',
    title: 'Daemon started',
    atValue: true,
  },
  {
    name: 'Alerts',
    query: metric('ALERTS{alertstate="firing",alertname=~"RalphFleet.+"}'),
    colour: 'red',
    title: '{{alertname}}',
  },
  {
    name: 'Errors',
    query: logs('{service_name="ralph-fleet", stream="daemon"} | level=~"error|fatal"'),
    colour: 'orange',
    title: 'Error of the daemon',
  },
];
