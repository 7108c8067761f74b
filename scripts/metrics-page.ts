/**
 * docs/metrics.md, from the catalogue in `src/telemetry/metrics.ts`. `node scripts/metrics-page.ts --write` writes it;
 * `npm run check` compares.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isBorn, type LabelValues, type Metric } from '../src/telemetry/metric.ts';
import { groups, prefix } from '../src/telemetry/metrics.ts';

export const metricsPagePath = 'docs/metrics.md';

export function metricsPage(): string {
  const head = [
    '# Metrics',
    '',
    'Written by `node scripts/metrics-page.ts --write` from the one catalogue, `src/telemetry/metrics.ts`.',
    '',
    '    metrics: {listen: "127.0.0.1:9464"}     # in fleet.yaml, then `ralph-fleet up`; without it nobody listens',
    '',
    'Prometheus finds them at `http://127.0.0.1:9464/metrics`, as text or as OpenMetrics, whichever it asks for; only this machine can.',
    'The same address takes alerts back (`POST /api/v2/alerts`, as an Alertmanager does): those of `telemetry/prometheus/alerts.yml`',
    'become pings and stand in `ralph-fleet status`. Name it in prometheus.yml:',
    '',
    '    rule_files: [alerts.yml]',
    '    scrape_configs:',
    '      - {job_name: ralph-fleet, static_configs: [{targets: ["127.0.0.1:9464"]}]}',
    '    alerting: {alertmanagers: [{static_configs: [{targets: ["127.0.0.1:9464"]}]}]}',
    '',
    `Every name begins with \`${prefix}\`. No label holds the id of a task, an iteration or a VM. Counters marked *0* are there from the`,
    'start, so that an alert sees the first one. Totals of the work, of tokens and of dollars are kept in the store and do not fall',
    'when the daemon is restarted; histograms, `passes_total` and `steps_total` begin anew with their process. Beside them stand the',
    '`process_*` and `nodejs_*` metrics of the daemon. What is not known is not there: a gauge without a value has no series.',
  ];
  const tables = Object.entries(groups).flatMap(([title, metrics]) => [
    '',
    `## ${title}`,
    '',
    '| metric | type | unit | labels | what it is |',
    '|---|---|---|---|---|',
    ...Object.entries(metrics as Record<string, Metric>).map(([name, metric]) => row(name, metric)),
  ]);
  return `${[...head, ...tables].join('\n')}\n`;
}

function row(name: string, metric: Metric): string {
  const { type, unit, labels, help } = metric;
  const kind = isBorn(metric) ? `${type} *0*` : type;
  const said = Object.entries(labels).map(([label, values]) => `\`${label}\`: ${sayValues(values)}`);
  return `| \`${name}\` | ${kind} | ${unit === '1' ? '' : unit} | ${said.join('; ')} | ${help} |`;
}

function sayValues(values: LabelValues): string {
  return 'boundBy' in values ? `(${values.boundBy})` : values.join(' ');
}

if (process.argv[1] === import.meta.filename) {
  const page = metricsPage();
  if (process.argv.includes('--write')) await writeFile(join(import.meta.dirname, '..', metricsPagePath), page);
  else process.stdout.write(page);
}
