import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { until } from '../support/gateway-process.ts';
import { createMeasuredFleet, type MeasuredFleet } from '../support/measured-fleet.ts';
import { type Prometheus, startPrometheus } from '../support/prometheus.ts';

// Every query of every dashboard, and every alert, asked of a real Prometheus after a whole (simulated) fleet has done its work.
const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFile(resolve(root, path), 'utf8');
const alertsFile = resolve(root, 'telemetry/prometheus/alerts.yml');

let fleet: MeasuredFleet;
let prometheus: Prometheus;

/** Why a query of a panel comes back empty here; one that stands here and is not empty is an error too. */
const emptyBecause: Record<string, string> = {
  'all, Alerts': 'nothing is wrong',
};

beforeAll(async () => {
  fleet = await createMeasuredFleet();
  prometheus = await startPrometheus({ target: fleet.target, rules: [alertsFile] });
  await until('two scrapes before the work', () => fleet.scrapes() >= 3);
  // Once: what happens for the first time is seen too.
  await fleet.work();
  const before = fleet.scrapes();
  await until('two scrapes after the run', () => fleet.scrapes() >= before + 3);
});
afterAll(async () => {
  await prometheus?.[Symbol.asyncDispose]();
  await fleet?.[Symbol.asyncDispose]();
});

interface Listed {
  dashboard: string;
  panel: string;
  source: string;
  expr: string;
}

/** What Grafana puts in. */
function filled(expr: string): string {
  return expr
    .replaceAll('$__rate_interval', '1m')
    .replaceAll('$__range', '1h')
    .replaceAll(/\$(project|ralph)\b/g, '.*');
}

describe('after a run', () => {
  it('every query of every panel returns data, or is listed with the reason', async () => {
    const queries = (JSON.parse(await read('telemetry/queries.json')) as Listed[]).filter(
      ({ source }) => source === 'prometheus',
    );
    expect(queries.length).toBeGreaterThan(60);
    const empty: string[] = [];
    for (const { dashboard, panel, expr } of queries) {
      const rows = await prometheus.query(filled(expr)).catch((error: Error) => {
        throw new Error(`${dashboard}, ${panel}: ${expr}: ${error.message}`);
      });
      if (rows.every(({ value }) => Number.isNaN(value))) empty.push(`${dashboard}, ${panel}`);
    }
    expect([...new Set(empty)].toSorted()).toEqual(Object.keys(emptyBecause).toSorted());
  });

  it('every alert is evaluated, and all it looks at is there', async () => {
    const rules: { groups: { rules: { alert?: string; record?: string; expr: string }[] }[] } = parse(
      await readFile(alertsFile, 'utf8'),
    );
    const all = rules.groups.flatMap((group) => group.rules);
    // Recording rules are evaluated every 30 s.
    const evaluated = await until('each rule was evaluated', async () => {
      const now = await prometheus.rules();
      return now.every(({ health }) => health !== 'unknown') ? now : null;
    });
    expect(evaluated.map(({ name }) => name).toSorted()).toEqual(
      all.map(({ alert, record }) => alert ?? record).toSorted(),
    );
    expect(evaluated.filter(({ health }) => health !== 'ok')).toEqual([]);
    const recorded = all.filter(({ record }) => record !== undefined).length;
    await until('the recording rules have seen the work', async () => {
      const [series] = await prometheus.query('count({__name__=~"ralph_fleet:.+"})');
      return series?.value === recorded;
    });
    const absent = new Set<string>();
    for (const { expr } of all) {
      await prometheus.query(expr);
      for (const [selector] of expr.matchAll(/\bralph_fleet[_:][a-z0-9_:]+(\{[^}]*\})?/g))
        if ((await prometheus.query(`count(${selector})`)).length === 0) absent.add(selector);
    }
    expect([...absent]).toEqual([]);
  });
});
