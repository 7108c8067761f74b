import type { SpanContext } from '@opentelemetry/api';
import type { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import type { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { Resource } from '@opentelemetry/resources';
import { redact } from '../../lib/log.ts';
import { general } from './attributes.ts';
import { type Attributes, msOf, type Service, type Span, type SpanEvent, timeOf } from './span.ts';

/** To one OTLP receiver over HTTP. Nothing of OpenTelemetry is loaded before the first batch. */
export interface OtlpSender {
  send(batch: Batch): Promise<Sent>;
  close(): Promise<void>;
}

export type Batch = { spans: readonly Span[] } | { events: readonly SpanEvent[] };

/** `refused`: it will not be taken at another time either; `later`: the receiver is away, or too busy. */
export type Sent = 'taken' | 'refused' | 'later';

export interface SenderOptions {
  /** Base URL; `/v1/traces` and `/v1/logs` are added. */
  url: string;
  version: string;
  /** Over what `redact` finds: takes out secrets of the process. */
  hide?: (text: string) => string;
  timeoutMs?: number;
}

type ReadableSpan = Parameters<OTLPTraceExporter['export']>[0][number];
type ReadableRecord = Parameters<OTLPLogExporter['export']>[0][number];
interface Exporters {
  spans: OTLPTraceExporter;
  events: OTLPLogExporter;
  resource: (service: Service) => Resource;
  words: Words;
}

/** OpenTelemetry's own for kinds and ends of spans. */
type Words = Pick<typeof import('@opentelemetry/api'), 'SpanKind' | 'SpanStatusCode'>;

const scope = { name: 'ralph-fleet' };

export function createOtlpSender(options: SenderOptions): OtlpSender {
  const { hide = (text) => text } = options;
  const clean = (text: string) => hide(redact(text));
  let loaded: Promise<Exporters> | null = null;

  return {
    send: async (batch) => {
      loaded ??= load(options);
      const { spans, events, resource, words } = await loaded;
      return new Promise<Sent>((resolve) => {
        const done = ({ code, error }: { code: number; error?: unknown }) => resolve(code === 0 ? 'taken' : why(error));
        if ('spans' in batch)
          spans.export(
            batch.spans.map((span) => readable(span, { resource: resource(span.from), clean, words })),
            done,
          );
        else
          events.export(
            batch.events.map((event) => record(event, resource(event.from), clean)),
            done,
          );
      });
    },
    close: async () => {
      if (loaded === null) return;
      const { spans, events } = await loaded;
      await Promise.all([spans.shutdown(), events.shutdown()]);
    },
  };
}

async function load({ url, version, timeoutMs = 10_000 }: SenderOptions): Promise<Exporters> {
  const [api, traces, logs, resources] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/exporter-logs-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const base = url.replace(/\/+$/, '');
  const common = { timeoutMillis: timeoutMs, concurrencyLimit: 4 };
  // What is grouped is told apart by identity.
  const made = new Map<Service, Resource>();
  const resource = (service: Service) => {
    const before = made.get(service);
    if (before !== undefined) return before;
    const fresh = resources.resourceFromAttributes({ [general.service]: service, [general.serviceVersion]: version });
    made.set(service, fresh);
    return fresh;
  };
  return {
    spans: new traces.OTLPTraceExporter({ ...common, url: `${base}/v1/traces` }),
    events: new logs.OTLPLogExporter({ ...common, url: `${base}/v1/logs` }),
    resource,
    words: api,
  };
}

/** OTLP/HTTP: 429, 502, 503 and 504 pass; any other answer of 400 and above does not; no answer passes. */
function why(error: unknown): Sent {
  const { code } = (error ?? {}) as { code?: unknown };
  const isFinal = typeof code === 'number' && code >= 400 && ![408, 429, 502, 503, 504].includes(code);
  return isFinal ? 'refused' : 'later';
}

interface Making {
  resource: Resource;
  clean: (text: string) => string;
  words: Words;
}

function readable(span: Span, { resource, clean, words }: Making): ReadableSpan {
  const context = contextOf(span.traceId, span.spanId);
  const durationMs = Math.max(0, msOf(span.end) - msOf(span.start));
  return {
    name: clean(span.name),
    kind: span.kind === 'client' ? words.SpanKind.CLIENT : words.SpanKind.INTERNAL,
    spanContext: () => context,
    ...(span.parentSpanId === null ? {} : { parentSpanContext: contextOf(span.traceId, span.parentSpanId) }),
    startTime: span.start,
    endTime: span.end,
    duration: timeOf(durationMs),
    status: { code: span.isError ? words.SpanStatusCode.ERROR : words.SpanStatusCode.UNSET },
    attributes: cleaned(span.attributes, clean),
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function record(event: SpanEvent, resource: Resource, clean: (text: string) => string): ReadableRecord {
  return {
    hrTime: event.at,
    hrTimeObserved: event.at,
    spanContext: contextOf(event.traceId, event.spanId),
    eventName: clean(event.name),
    body: clean(event.name),
    attributes: cleaned(event.attributes, clean),
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
  };
}

function contextOf(traceId: string, spanId: string): SpanContext {
  return { traceId, spanId, traceFlags: 1 };
}

function cleaned(attributes: Attributes, clean: (text: string) => string): Attributes {
  const text = (value: Attributes[string]) =>
    typeof value === 'string' ? clean(value) : Array.isArray(value) ? value.map(clean) : value;
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, text(value)]));
}
