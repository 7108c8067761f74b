import { Counter, collectDefaultMetrics, Gauge, Histogram, type MetricObject, Registry } from 'prom-client';
import { createTurns } from '../lib/turns.ts';
import { isBorn, type LabelValues } from './metric.ts';
import {
  type CounterName,
  type GaugeName,
  type HistogramName,
  type LabelsOf,
  type MetricName,
  metrics,
  prefix,
} from './metrics.ts';

/** The values of the catalogue's metrics in this process, and their text for Prometheus. */
export interface Meters {
  /** Of what this process alone has seen. */
  count<K extends CounterName>(name: K, labels: LabelsOf<K>, by?: number): void;
  observe<K extends HistogramName>(name: K, labels: LabelsOf<K>, value: number): void;
  /** From now on the series is there, at 0 until something is counted: of labels whose values the catalogue does not list. */
  bear<K extends CounterName | HistogramName>(name: K, labels: LabelsOf<K>): void;
  /** Asked at each scrape, one after the other; none may wait. One that throws does not keep the others. */
  addSource(source: Source): void;
  /** `accept`: of the HTTP request. `others`: of another process, as its `figures` gave them. */
  scrape(accept: string, others?: readonly MetricObject[]): Promise<{ type: string; text: string }>;
  /** Its histograms, for the process that is scraped. */
  figures(): Promise<MetricObject[]>;
}

export type Source = (put: Put) => void;

export interface Put {
  /** A gauge that is not set at a scrape is not there. */
  set<K extends GaugeName>(name: K, labels: LabelsOf<K>, value: number): void;
  /** A counter whose total is kept elsewhere; it never goes back. */
  total<K extends CounterName>(name: K, labels: LabelsOf<K>, value: number): void;
  /** A counter that another process, or a part of this one, keeps for as long as it lives: where it falls, that one began anew. */
  lived<K extends CounterName>(name: K, labels: LabelsOf<K>, value: number): void;
}

export interface MetersOptions {
  /** Which of the catalogue; the others are another process's. */
  only: (name: MetricName) => boolean;
  /** Also `process_*` and `nodejs_*`. */
  withProcess: boolean;
  onError: (error: unknown) => void;
}

type Made = Counter | Gauge | Histogram;

export function createMeters({ only, withProcess, onError }: MetersOptions): Meters {
  const plain = new Registry();
  const made = new Map<MetricName, Made>();
  const names = (Object.keys(metrics) as MetricName[]).filter(only);
  for (const name of names) made.set(name, make(name));
  if (withProcess) addProcessMetrics(plain);
  for (const metric of made.values()) plain.registerMetric(metric);
  const sources: Source[] = [];
  const totals = new Map<string, number>();
  const inTurn = createTurns();
  const under = new Map<boolean, Promise<{ type: string; text: string }>>();

  function count<K extends CounterName>(name: K, labels: LabelsOf<K>, by = 1): void {
    (made.get(name) as Counter | undefined)?.inc(closed(name, labels), by);
  }

  const put: Put = {
    set: (name, labels, value) => {
      if (Number.isFinite(value)) (made.get(name) as Gauge | undefined)?.set(closed(name, labels), value);
    },
    total: (name, labels, value) => {
      const key = `${name} ${JSON.stringify(labels)}`;
      const before = totals.get(key) ?? 0;
      if (value < before) return;
      totals.set(key, value);
      count(name, labels, value - before);
    },
    lived: (name, labels, value) => {
      const key = `${name} ${JSON.stringify(labels)}`;
      const before = totals.get(key) ?? 0;
      totals.set(key, value);
      count(name, labels, value < before ? value : value - before);
    },
  };

  function fill(): void {
    for (const [name, metric] of made) {
      if (metrics[name].type !== 'gauge') continue;
      metric.reset();
      // One without labels is 0 again, which is not the same as absent.
      if (Object.keys(metrics[name].labels).length === 0) metric.remove();
    }
    for (const source of sources) {
      try {
        source(put);
      } catch (error) {
        onError(error);
      }
    }
  }

  return {
    count,
    bear(name, labels) {
      const metric = made.get(name);
      if (metric instanceof Histogram) metric.zero(closed(name, labels));
      else (metric as Counter | undefined)?.inc(closed(name, labels), 0);
    },
    observe: (name, labels, value) => (made.get(name) as Histogram | undefined)?.observe(closed(name, labels), value),
    addSource: (source) => void sources.push(source),
    // What is filled for one is not emptied for another before it was written; those who ask meanwhile share the next.
    scrape(accept, others = []) {
      const isOpen = accept.includes('application/openmetrics-text');
      const waiting = under.get(isOpen);
      if (waiting !== undefined) return waiting;
      const next = inTurn(async () => {
        under.delete(isOpen);
        fill();
        return write(isOpen, [
          ...plain.getMetricsAsArray().map((metric) => metric as unknown as Readable),
          ...others.map(read),
        ]);
      });
      under.set(isOpen, next);
      return next;
    },
    figures: async () => (await plain.getMetricsAsJSON()).filter(({ type }) => String(type) === 'histogram'),
  };
}

/** As prom-client's registry asks a metric for its values. */
type Readable = Pick<MetricObject, 'name' | 'type'> & { get(): Promise<MetricObject> };

function read(metric: MetricObject): Readable {
  return { name: metric.name, type: metric.type, get: async () => metric };
}

/** A registry changes the names of counters for good when it writes OpenMetrics: so it gets metrics of its own each time. */
async function write(isOpen: boolean, given: readonly Readable[]): Promise<{ type: string; text: string }> {
  const type = isOpen ? Registry.OPENMETRICS_CONTENT_TYPE : Registry.PROMETHEUS_CONTENT_TYPE;
  const registry = new (Registry as new (type: string) => Registry)(type);
  for (const metric of given) {
    if (registry.getSingleMetric(metric.name) !== undefined) continue;
    const isCounter = isOpen && String(metric.type) === 'counter';
    const get = isCounter ? async () => withoutTotal(await metric.get()) : () => metric.get();
    registry.registerMetric({ name: metric.name, type: metric.type, get } as never);
  }
  return { type, text: await registry.metrics() };
}

function withoutTotal(metric: MetricObject): MetricObject {
  return { ...metric, name: metric.name.replace(/_total$/, '') };
}

function make(name: MetricName): Made {
  const { type, help, labels, ...more } = metrics[name] as (typeof metrics)[MetricName] & {
    buckets?: readonly number[];
  };
  const labelNames = Object.keys(labels);
  const given = { name: `${prefix}${name}`, help, labelNames, registers: [] };
  if (type === 'gauge') return new Gauge(given);
  const first = isBorn(metrics[name]) ? combinations(labels) : [];
  if (type === 'histogram') {
    const histogram = new Histogram({ ...given, buckets: [...(more.buckets ?? [])] });
    for (const each of first) histogram.zero(each);
    return histogram;
  }
  const counter = new Counter(given);
  for (const each of first) counter.inc(each, 0);
  return counter;
}

/** Every combination of the values of closed labels. */
export function combinations(labels: Readonly<Record<string, LabelValues>>): Record<string, string>[] {
  return Object.entries(labels).reduce<Record<string, string>[]>(
    (all, [label, values]) =>
      Array.isArray(values) ? all.flatMap((one) => values.map((value: string) => ({ ...one, [label]: value }))) : all,
    [{}],
  );
}

/** Values outside of a closed list are `other`: what comes from outside makes no new series. */
function closed<K extends MetricName>(name: K, labels: LabelsOf<K>): Record<string, string> {
  const lists = metrics[name].labels as Readonly<Record<string, LabelValues>>;
  let changed: Record<string, string> | null = null;
  for (const [label, values] of Object.entries(lists)) {
    const given = (labels as Record<string, string>)[label] ?? '';
    if (!Array.isArray(values) || values.includes(given)) continue;
    changed ??= { ...labels };
    changed[label] = 'other';
  }
  return changed ?? (labels as Record<string, string>);
}

/** Gauges that are named like counters; the same by kind is told beside them. */
const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

function addProcessMetrics(register: Registry): void {
  collectDefaultMetrics({ register });
  for (const name of misnamed) register.removeSingleMetric(name);
}
