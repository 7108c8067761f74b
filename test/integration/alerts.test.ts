import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { createExec } from '../../src/lib/exec.ts';
import { combinations } from '../../src/telemetry/meters.ts';
import { isBorn, type Metric } from '../../src/telemetry/metric.ts';
import { type MetricName, metrics, prefix } from '../../src/telemetry/metrics.ts';

/** The rules for Prometheus, by promtool itself. */
const exec = createExec();
const folder = join(import.meta.dirname, '../../telemetry/prometheus');

interface Rule {
  alert?: string;
  record?: string;
  expr: string;
  labels?: { severity: string };
  annotations?: { summary?: string; action?: string };
}

const read = async (name: string) => parse(await readFile(join(folder, name), 'utf8'));
const rulesOf = async (): Promise<Rule[]> =>
  (await read('alerts.yml')).groups.flatMap((group: { rules: Rule[] }) => group.rules);

it('every alert fires and stays quiet as its tests say', async () => {
  await exec(['promtool', 'check', 'rules', '--lint=all', '--lint-fatal', 'alerts.yml'], { cwd: folder });
  await exec(['promtool', 'test', 'rules', 'alerts.test.yml'], { cwd: folder, timeoutMs: 300_000 });
});

it('each alert has a test in which it fires and one in which it does not, a severity and something to do', async () => {
  const { tests } = await read('alerts.test.yml');
  const seen = tests.flatMap(({ promql_expr_test: checks }: { promql_expr_test: Checked[] }) => checks);
  for (const { alert, labels, annotations } of (await rulesOf()).filter(({ alert }) => alert !== undefined)) {
    const counts = seen
      .filter(({ expr }: Checked) => expr.includes(`"${alert}"`))
      .map(({ exp_samples: samples }: Checked) => samples[0]?.value);
    expect(counts, alert).toContain(0);
    expect(Math.max(...counts), alert).toBeGreaterThan(0);
    expect(['critical', 'warning', 'info'], alert).toContain(labels?.severity);
    expect(annotations?.action, alert).toMatch(/`[^`]+`/);
    expect(annotations?.summary, alert).toMatch(/\.$/);
  }
});

interface Checked {
  expr: string;
  exp_samples: { value: number }[];
}

it('alerts ask only for metrics and values of labels that there are, and counters of theirs are born', async () => {
  const wrong: string[] = [];
  for (const { alert = '', expr } of await rulesOf()) {
    for (const [, name = '', given = ''] of expr.matchAll(/\bralph_fleet_([a-z_]+)(?:\{([^}]*)\})?/g)) {
      const metric = metrics[name as MetricName] as Metric & { labels: Record<string, readonly string[]> };
      if (metric === undefined) {
        wrong.push(`${alert}: no ${prefix}${name}`);
        continue;
      }
      const isGrowth = expr.includes(`increase(${prefix}${name}`);
      if (isGrowth && !isBorn(metric)) wrong.push(`${alert}: the first of ${name} would not be seen`);
      for (const [, label = '', sign, value = ''] of given.matchAll(/(\w+)(=~?)"([^"]*)"/g)) {
        const known = combinations(metric.labels).map((each) => each[label]);
        const asked = sign === '=~' ? value.split('|') : [value];
        wrong.push(...asked.filter((one) => !known.includes(one)).map((one) => `${alert}: ${name}{${label}="${one}"}`));
      }
    }
  }
  expect(wrong).toEqual([]);
});
