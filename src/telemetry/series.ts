import type { LabelValues } from './metric.ts';
import { type MetricName, metrics, prefix } from './metrics.ts';

/**
 * The values of one metric, by their labels. Kept here, not in prom-client's own counters and histograms: those build and check the labels'
 * name at each value, which is most of what counting costs the controller.
 */
export interface Series<T> {
  /** Begins it where it is not there. Values outside of a closed list are `other`: what comes from outside makes no new series. */
  of(labels: Labels): { readonly labels: Labels; value: T };
  all(): Iterable<{ readonly labels: Labels; value: T }>;
  clear(): void;
}

export type Labels = Readonly<Record<string, string>>;

/** How many values lie in each bucket, the last above all bounds; all of them together. */
export interface Distribution {
  counts: number[];
  sum: number;
  count: number;
}

export function createSeries<T>(name: MetricName, first: () => T): Series<T> {
  const lists = Object.entries(metrics[name].labels as Readonly<Record<string, LabelValues>>);
  const names = lists.map(([label]) => label);
  const all = new Map<string, { labels: Labels; value: T }>();

  function keyOf(labels: Labels): string {
    let key = '';
    for (const label of names) key += `${labels[label]}\n`;
    return key;
  }

  function begin(given: Labels): { labels: Labels; value: T } {
    const labels = Object.fromEntries(
      lists.map(([label, values]) => {
        const value = given[label] ?? '';
        return [label, !Array.isArray(values) || values.includes(value) ? value : 'other'];
      }),
    );
    const key = keyOf(labels);
    const made = all.get(key) ?? { labels, value: first() };
    all.set(key, made);
    return made;
  }

  return { of: (labels) => all.get(keyOf(labels)) ?? begin(labels), all: () => all.values(), clear: () => all.clear() };
}

export function emptyDistribution(bounds: readonly number[]): Distribution {
  return { counts: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0, count: 0 };
}

export function addTo(distribution: Distribution, bounds: readonly number[], value: number): void {
  let at = 0;
  while (at < bounds.length && value > (bounds[at] as number)) at++;
  distribution.counts[at] = (distribution.counts[at] ?? 0) + 1;
  distribution.sum += value;
  distribution.count += 1;
}

/** A metric as prom-client's registry writes it, and as the gateway tells its own to the daemon. */
export interface Figure {
  name: string;
  help: string;
  type: 'counter' | 'gauge' | 'histogram';
  aggregator: 'sum';
  values: { metricName?: string; value: number; labels: Record<string, string | number> }[];
}

export function figureOf(name: MetricName, values: Figure['values']): Figure {
  const { type, help } = metrics[name];
  return { name: `${prefix}${name}`, help, type, aggregator: 'sum', values };
}

/** Buckets hold all values up to their bound. */
export function valuesOf(
  name: MetricName,
  bounds: readonly number[],
  { labels, value: { counts, sum, count } }: { labels: Labels; value: Distribution },
): Figure['values'] {
  const full = `${prefix}${name}`;
  let below = 0;
  const buckets = bounds.map((le, at) => {
    below += counts[at] ?? 0;
    return { metricName: `${full}_bucket`, value: below, labels: { le, ...labels } };
  });
  return [
    ...buckets,
    { metricName: `${full}_bucket`, value: count, labels: { le: '+Inf', ...labels } },
    { metricName: `${full}_sum`, value: sum, labels },
    { metricName: `${full}_count`, value: count, labels },
  ];
}
