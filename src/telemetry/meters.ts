import { collectDefaultMetrics, Registry } from 'prom-client';
import { createTurns } from '../lib/turns.ts';
import { isBorn, type LabelValues, type Metric } from './metric.ts';
import {
  type CounterName,
  type GaugeName,
  type HistogramName,
  type LabelsOf,
  type MetricName,
  metrics,
} from './metrics.ts';
import {
  addTo,
  createSeries,
  type Distribution,
  emptyDistribution,
  type Figure,
  figureOf,
  type Labels,
  type Series,
  valuesOf,
} from './series.ts';

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
  scrape(accept: string, others?: readonly Figure[]): Promise<{ type: string; text: string }>;
  /** Its histograms, for the process that is scraped. */
  figures(): Figure[];
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

export function createMeters({ only, withProcess, onError }: MetersOptions): Meters {
  const numbers = new Map<MetricName, Series<number>>();
  const histograms = new Map<MetricName, { bounds: readonly number[]; series: Series<Distribution> }>();
  for (const name of (Object.keys(metrics) as MetricName[]).filter(only)) make(name);
  const process = new Registry();
  if (withProcess) addProcessMetrics(process);
  const sources: Source[] = [];
  const totals = new Map<string, number>();
  const inTurn = createTurns();
  const under = new Map<boolean, Promise<{ type: string; text: string }>>();

  function make(name: MetricName): void {
    const { buckets: bounds }: Metric = metrics[name];
    if (bounds === undefined)
      numbers.set(
        name,
        createSeries(name, () => 0),
      );
    else histograms.set(name, { bounds, series: createSeries(name, () => emptyDistribution(bounds)) });
    if (isBorn(metrics[name])) for (const labels of combinations(metrics[name].labels)) bear(name, labels);
  }

  function bear(name: MetricName, labels: Labels): void {
    numbers.get(name)?.of(labels);
    histograms.get(name)?.series.of(labels);
  }

  function count<K extends CounterName>(name: K, labels: LabelsOf<K>, by = 1): void {
    const one = numbers.get(name)?.of(labels);
    if (one !== undefined && by > 0) one.value += by;
  }

  function figures(): Figure[] {
    return [...histograms].map(([name, { bounds, series }]) =>
      figureOf(
        name,
        [...series.all()].flatMap((one) => valuesOf(name, bounds, one)),
      ),
    );
  }

  const put: Put = {
    set: (name, labels, value) => {
      const one = Number.isFinite(value) ? numbers.get(name)?.of(labels) : undefined;
      if (one !== undefined) one.value = value;
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
    for (const [name, series] of numbers) if (metrics[name].type === 'gauge') series.clear();
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
    bear,
    observe(name, labels, value) {
      const histogram = histograms.get(name);
      if (histogram !== undefined) addTo(histogram.series.of(labels).value, histogram.bounds, value);
    },
    addSource: (source) => void sources.push(source),
    // What is filled for one is not emptied for another before it was written; those who ask meanwhile share the next.
    scrape(accept, others = []) {
      const isOpen = accept.includes('application/openmetrics-text');
      const waiting = under.get(isOpen);
      if (waiting !== undefined) return waiting;
      const next = inTurn(async () => {
        under.delete(isOpen);
        fill();
        const own = [...numbers].map(([name, series]) => figureOf(name, [...series.all()] as Figure['values']));
        const ofProcess = process.getMetricsAsArray().map((metric) => metric as unknown as Readable);
        return write(isOpen, [...[...own, ...figures(), ...others].map(read), ...ofProcess]);
      });
      under.set(isOpen, next);
      return next;
    },
    figures,
  };
}

/** As prom-client's registry asks a metric for its values. */
type Readable = Pick<Figure, 'name' | 'type'> & { get(): Promise<Figure> };

function read(metric: Figure): Readable {
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

function withoutTotal(metric: Figure): Figure {
  return { ...metric, name: metric.name.replace(/_total$/, '') };
}

/** Every combination of the values of closed labels. */
export function combinations(labels: Readonly<Record<string, LabelValues>>): Record<string, string>[] {
  return Object.entries(labels).reduce<Record<string, string>[]>(
    (all, [label, values]) =>
      Array.isArray(values) ? all.flatMap((one) => values.map((value: string) => ({ ...one, [label]: value }))) : all,
    [{}],
  );
}

/** Gauges that are named like counters; the same by kind is told beside them. */
const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

function addProcessMetrics(register: Registry): void {
  collectDefaultMetrics({ register });
  for (const name of misnamed) register.removeSingleMetric(name);
}
