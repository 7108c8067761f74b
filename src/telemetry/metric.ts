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
  /** Not from the start though all its labels are closed: not every host tells it. */
  isSometimes?: true;
}

/**
 * Counters and histograms whose labels are all closed are there from the start, at 0 in each combination: `rate` and `increase` see nothing
 * of the first value of a series that was not there before.
 */
export function isBorn({ type, labels, isSometimes }: Metric): boolean {
  return type !== 'gauge' && isSometimes !== true && Object.values(labels).every((values) => Array.isArray(values));
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

export function sometimes<M extends Metric>(metric: M) {
  return { ...metric, isSometimes: true } as const satisfies Metric;
}

export function gauge<L extends Labels>(help: string, labels: L, unit: Unit = '1') {
  return { type: 'gauge', help, unit, labels } as const satisfies Metric;
}

/** Of seconds. */
export function histogram<L extends Labels>(help: string, labels: L, buckets: readonly number[]) {
  return { type: 'histogram', help, unit: 'seconds', labels, buckets } as const satisfies Metric;
}
