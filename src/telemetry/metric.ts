/** What one metric is. The catalogue (`metrics.ts`) is made of these; nothing else names one. */
export interface Metric {
  type: 'counter' | 'gauge' | 'histogram';
  /** One sentence without a full stop, as Prometheus shows it. */
  help: string;
  /** `1`: a share or a count without a unit. */
  unit: Unit;
  labels: Readonly<Record<string, LabelValues>>;
  /** For histograms: upper bounds in the unit. */
  buckets?: readonly number[];
  /** Every combination of its closed labels is there from the start: an alert on its increase must see the 0 before the 1. */
  isBorn?: true;
}

export type Unit = '1' | 'seconds' | 'bytes' | 'tokens' | 'USD' | 'lines' | 'spans';

/**
 * The values of a label: a closed list (another value becomes `other`), or words for what bounds them. Ids of tasks, changes, VMs and
 * iterations are never values: there is no end of them.
 */
export type LabelValues = readonly string[] | { boundBy: string };

type Labels = Metric['labels'];

export function counter<L extends Labels>(help: string, labels: L, unit: Unit = '1') {
  return { type: 'counter', help, unit, labels } as const satisfies Metric;
}

/** A counter that alerts look at. Its labels are closed. */
export function born<L extends Record<string, readonly string[]>>(help: string, labels: L, unit: Unit = '1') {
  return { type: 'counter', help, unit, labels, isBorn: true } as const satisfies Metric;
}

export function gauge<L extends Labels>(help: string, labels: L, unit: Unit = '1') {
  return { type: 'gauge', help, unit, labels } as const satisfies Metric;
}

/** Of seconds. */
export function histogram<L extends Labels>(help: string, labels: L, buckets: readonly number[]) {
  return { type: 'histogram', help, unit: 'seconds', labels, buckets } as const satisfies Metric;
}
