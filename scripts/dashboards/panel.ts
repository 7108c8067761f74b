/**
 * A dashboard as data: what is asked, in which unit, from where on it is bad, and what to do then. `build.ts` makes Grafana's JSON of it,
 * `queries.ts` the list of all queries.
 */
export type Query =
  | { source: 'prometheus'; expr: string; legend?: string }
  | { source: 'loki'; expr: string; legend?: string }
  | { source: 'tempo'; expr: string };

/** A threshold: from this value on, that colour. The first has no value. */
export type Steps = readonly [first: Colour, ...rest: readonly [number, Colour][]];
export type Colour = 'green' | 'yellow' | 'orange' | 'red' | 'blue' | 'transparent';

export interface Panel {
  /** stat: one number now; lines, bars: over time; states: one band per Ralph; rows: a table of what is now. */
  kind: 'stat' | 'lines' | 'bars' | 'states' | 'rows' | 'logs' | 'traces';
  /** One question. */
  title: string;
  /** What it means, and what to do when it is bad. */
  about: string;
  unit?: Unit;
  queries: readonly Query[];
  steps?: Steps;
  /** Of 24 columns. */
  width?: number;
  height?: number;
  /** Where a click leads: another dashboard of ours, with its variable. */
  link?: { title: string; url: string };
}

export type Unit = 'short' | 's' | 'bytes' | 'percentunit' | 'currencyUSD' | 'reqps' | 'dateTimeFromNow' | 'cps';

export interface Variable {
  name: string;
  label: string;
  /** A Prometheus query for its values; without one it is typed in. */
  values?: string;
  multi?: true;
  default?: string;
}

export interface Dashboard {
  uid: string;
  title: string;
  about: string;
  variables?: readonly Variable[];
  rows: readonly { title: string; panels: readonly Panel[] }[];
}

export function metric(expr: string, legend?: string): Query {
  return { source: 'prometheus', expr, ...(legend === undefined ? {} : { legend }) };
}

export function logs(expr: string): Query {
  return { source: 'loki', expr };
}

export function traces(expr: string): Query {
  return { source: 'tempo', expr };
}

/** Quantile `q` of a histogram (its name without `_bucket`), over all labels but `by`. */
export function quantile(
  q: number,
  histogram: string,
  { selector = '', by = '', range = '$__rate_interval' } = {},
): Query {
  const labels = by === '' ? 'le' : `le,${by}`;
  const expr = `histogram_quantile(${q}, sum by (${labels}) (rate(${histogram}_bucket${selector}[${range}])))`;
  return metric(expr, `p${q * 100}${by === '' ? '' : ` {{${by}}}`}`);
}

/** Mean of a histogram. */
export function mean(histogram: string, by: string, range: string): Query {
  const part = (suffix: string) => `sum by (${by}) (rate(${histogram}_${suffix}[${range}]))`;
  return metric(`${part('sum')} / ${part('count')}`, `{{${by}}}`);
}

/** All variables every dashboard with projects has. */
export const project: Variable = {
  name: 'project',
  label: 'Project',
  values: 'label_values(ralph_fleet_tasks, project)',
  multi: true,
};

export const goodToBad = (warn: number, bad: number): Steps => ['green', [warn, 'yellow'], [bad, 'red']];
