import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { dashboards } from '../../scripts/dashboards/all.ts';
import { type ListedQuery, listQueries } from '../../scripts/dashboards/queries.ts';
import { resourcePath } from '../lib/resources.ts';
import type { Metric } from './metric.ts';
import { metrics, prefix } from './metrics.ts';

const catalogue: Readonly<Record<string, Metric>> = metrics;

/** Label names of a metric as it is asked for; null when there is none of that name and kind. */
function labelsOf(name: string): Record<string, Metric['labels'][string]> | null {
  const short = name.slice(prefix.length);
  const plain = catalogue[short];
  if (plain !== undefined && plain.type !== 'histogram') return plain.labels;
  const [, base = '', suffix] = short.match(/^(.*)_(bucket|sum|count)$/) ?? [];
  const histogram = catalogue[base];
  if (histogram?.type !== 'histogram') return null;
  return suffix === 'bucket' ? { ...histogram.labels, le: { boundBy: 'buckets' } } : histogram.labels;
}

const recorded = /^ralph_fleet:/;

/** Everything in an expression that the catalogue does not know. */
function strangeIn(expr: string, legend = ''): string[] {
  const strange: string[] = [];
  const known = new Set(['job', 'instance', 'alertname', 'alertstate', 'severity']);
  for (const [, name = '', selector] of expr.matchAll(/\b(ralph_fleet[_:][a-z0-9_:]+)(?:\{([^}]*)\})?/g)) {
    if (recorded.test(name)) continue;
    const labels = labelsOf(name);
    if (labels === null) strange.push(`no metric ${name}`);
    for (const label of Object.keys(labels ?? {})) known.add(label);
    strange.push(...strangeSelector(name, labels ?? {}, selector ?? ''));
  }
  const grouped = [...expr.matchAll(/\b(?:by|on|ignoring|without) ?\(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(','),
  );
  const shown = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
  for (const label of [...grouped, ...shown].map((one) => one.trim()).filter(Boolean))
    if (!known.has(label)) strange.push(`no label ${label}`);
  return strange;
}

function strangeSelector(name: string, labels: Metric['labels'], selector: string): string[] {
  return [...selector.matchAll(/(\w+)(=~|=|!=|!~)"([^"]*)"/g)].flatMap(([, label = '', , value = '']) => {
    if (label === 'job') return [];
    const values = labels[label];
    if (values === undefined) return [`${name} has no label ${label}`];
    if ('boundBy' in values) return [];
    return value
      .split('|')
      .filter((one) => !values.includes(one))
      .map((one) => `${name} has no ${label} ${one}`);
  });
}

describe('what dashboards ask for', () => {
  it('is in the catalogue of metrics, with these labels and values', () => {
    const asked = listQueries().filter(({ source }) => source === 'prometheus');
    expect(asked.length).toBeGreaterThan(60);
    const strange = asked.flatMap(({ dashboard, panel, expr, legend }) =>
      strangeIn(expr, legend).map((what) => `${dashboard}, ${panel}: ${what}`),
    );
    expect(strange).toEqual([]);
  });

  it('and what alerts ask for too', () => {
    const rules: { groups: { rules: { alert?: string; record?: string; expr: string }[] }[] } = parse(
      readFileSync(resourcePath('telemetry/prometheus/alerts.yml'), 'utf8'),
    );
    const all = rules.groups.flatMap((group) => group.rules);
    expect(all.length).toBeGreaterThan(15);
    expect(
      all.flatMap(({ alert, record, expr }) => strangeIn(expr).map((what) => `${alert ?? record}: ${what}`)),
    ).toEqual([]);
  });

  it('a wrong name, label or value would be found', () => {
    expect(strangeIn('sum(ralph_fleet_taskz)')).toEqual(['no metric ralph_fleet_taskz']);
    expect(strangeIn('ralph_fleet_pass_seconds')).toEqual(['no metric ralph_fleet_pass_seconds']);
    expect(strangeIn('ralph_fleet_tasks{phase="asleep"}')).toEqual(['ralph_fleet_tasks has no phase asleep']);
    expect(strangeIn('sum by (colour) (ralph_fleet_tasks)')).toEqual(['no label colour']);
    expect(strangeIn('sum(ralph_fleet_tasks)', '{{ralph}}')).toEqual(['no label ralph']);
  });

  it('logs are asked for by the labels that are shipped', () => {
    const wrong = listQueries()
      .filter(({ source }) => source === 'loki')
      .filter(({ expr }) => strangeLogQuery(expr));
    expect(wrong).toEqual([]);
  });
});

const logLabels = ['service_name', 'fleet', 'stream', 'role', 'driver'];
const logStreams = ['daemon', 'gateway', 'iteration', 'console'];
const logFields = ['level', 'project', 'task', 'ralph', 'iteration', 'vm', 'step', 'kind', 'trace_id', 'span_id'];

function strangeLogQuery(expr: string): boolean {
  const [, selector = '', rest = ''] = expr.match(/^\{([^}]*)\}(.*)$/s) ?? [];
  const labels = [...selector.matchAll(/(\w+)=~?"([^"]*)"/g)].map(([, label = '', value = '']) => ({ label, value }));
  const fields = [...rest.matchAll(/\| (\w+)=~?"/g)].map(([, field = '']) => field);
  return (
    !labels.some(({ label, value }) => label === 'service_name' && value === 'ralph-fleet') ||
    labels.some(({ label }) => !logLabels.includes(label)) ||
    labels.some(
      ({ label, value }) => label === 'stream' && value.split('|').some((one) => !logStreams.includes(one)),
    ) ||
    fields.some((field) => !logFields.includes(field))
  );
}

describe('the dashboards', () => {
  const panels = Object.values(dashboards).flatMap(({ title, rows }) =>
    rows.flatMap((row) => row.panels.map((panel) => ({ dashboard: title, ...panel }))),
  );

  it('are six, and each panel asks one question and says what to do', () => {
    expect(Object.values(dashboards).map(({ title }) => title)).toEqual([
      'Fleet',
      'Ralph',
      'Gas',
      'Waiting for you',
      'VMs and host',
      'Control plane',
    ]);
    for (const { title, about } of panels) {
      expect(title).toMatch(/\?$/);
      expect(about.length, title).toBeGreaterThan(3);
    }
  });

  it('never show a counter itself, and take quantiles over `le` only', () => {
    const raw = listQueries()
      .filter(isRaw)
      .map(({ expr }) => expr);
    expect(raw).toEqual([]);
    expect(
      isRaw({ dashboard: '', panel: '', source: 'prometheus', expr: 'sum(ralph_fleet_tasks_finished_total)' }),
    ).toBe(true);
    for (const { expr } of listQueries())
      if (expr.includes('histogram_quantile')) expect(expr).toMatch(/sum by \(le[,)]/);
  });

  it('have a unit wherever a number is shown', () => {
    const without = panels.filter(
      ({ kind, unit }) => unit === undefined && !['logs', 'traces', 'states'].includes(kind),
    );
    expect(without.map(({ title }) => title)).toEqual([]);
  });
});

function isRaw({ expr }: ListedQuery): boolean {
  return [...expr.matchAll(/(\w+\()?(ralph_fleet_\w+_total)(\{[^}]*\})?(\[)?/g)].some(
    ([, , , , range]) => range === undefined,
  );
}
