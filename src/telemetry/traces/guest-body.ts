import { z } from 'zod';
import { agentAttributes, agentNames } from './attributes.ts';
import type { SpanRef } from './ids.ts';
import { type Attributes, msOf, type Span, type SpanEvent, type Time } from './span.ts';

/**
 * What an agent CLI in a guest says of itself (OTLP/HTTP, JSON), made harmless: only known spans and events, only known attributes of
 * the expected form, only in the trace and the time of its iteration, and only so many. Nothing else of the body goes on, and who it
 * is from is never read from it. Never throws.
 */
export interface GuestBody {
  spans: Span[];
  events: SpanEvent[];
  /** How many were left out, and why. */
  dropped: Record<GuestDrop, number>;
}

/** `form`: not as OTLP says; `name`: not known; `trace`: of another trace, or in the place of one of ours; `time`: not of its iteration. */
export type GuestDrop = 'form' | 'name' | 'trace' | 'time' | 'many';

export interface GuestFrame {
  signal: 'traces' | 'logs';
  /** The iteration's own span. */
  ref: SpanRef;
  /** Stamped on each: who it is, as the host knows it. */
  stamp: Attributes;
  /** Milliseconds since the epoch. */
  now: number;
  /** How many more are taken. */
  room: number;
}

const longestMs = 26 * 3_600_000;
const clockSkewMs = 60_000;
const maxAttributes = 64;

const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));
const nanos = z.union([z.string().regex(/^\d{1,20}$/), z.number().nonnegative().max(1e20)]);
const keyValues = z.array(z.unknown());
const group = z.object({
  resourceSpans: z.array(z.unknown()).optional(),
  resourceLogs: z.array(z.unknown()).optional(),
});
const ofResource = z.object({
  scopeSpans: z.array(z.unknown()).optional(),
  scopeLogs: z.array(z.unknown()).optional(),
});
const ofScope = z.object({ spans: z.array(z.unknown()).optional(), logRecords: z.array(z.unknown()).optional() });
const spanForm = z.object({
  traceId: hex(32),
  spanId: hex(16),
  parentSpanId: hex(16).optional(),
  name: z.string().max(200),
  startTimeUnixNano: nanos,
  endTimeUnixNano: nanos,
  attributes: keyValues.optional(),
  status: z.object({ code: z.number().optional() }).optional(),
});
const eventForm = z.object({
  traceId: hex(32),
  spanId: hex(16),
  timeUnixNano: nanos,
  body: z.object({ stringValue: z.string().max(200) }),
  attributes: keyValues.optional(),
});

/** Null when the body is no OTLP request at all. */
export function readGuestBody(body: Uint8Array, frame: GuestFrame): GuestBody | null {
  const read: GuestBody = { spans: [], events: [], dropped: { form: 0, name: 0, trace: 0, time: 0, many: 0 } };
  const given = group.safeParse(parseJson(body)).data;
  const resources = frame.signal === 'traces' ? given?.resourceSpans : given?.resourceLogs;
  if (resources === undefined) return null;
  for (const item of itemsOf(resources, frame.signal)) {
    if (read.spans.length + read.events.length >= frame.room) {
      read.dropped.many += 1;
      continue;
    }
    const one = frame.signal === 'traces' ? readSpan(item, frame) : readEvent(item, frame);
    if (typeof one === 'string') read.dropped[one] += 1;
    else if ('end' in one) read.spans.push(one);
    else read.events.push(one);
  }
  return read;
}

function* itemsOf(resources: readonly unknown[], signal: GuestFrame['signal']): Generator<unknown> {
  for (const resource of resources) {
    const scopes = ofResource.safeParse(resource).data;
    for (const scope of (signal === 'traces' ? scopes?.scopeSpans : scopes?.scopeLogs) ?? []) {
      const list = ofScope.safeParse(scope).data;
      yield* (signal === 'traces' ? list?.spans : list?.logRecords) ?? [];
    }
  }
}

function readSpan(item: unknown, frame: GuestFrame): Span | GuestDrop {
  const span = spanForm.safeParse(item).data;
  if (span === undefined) return 'form';
  if (!agentNames.test(span.name)) return 'name';
  const { traceId, spanId, parentSpanId } = span;
  if (traceId !== frame.ref.traceId || spanId === frame.ref.spanId) return 'trace';
  const [start, end] = [timeOf(span.startTimeUnixNano), timeOf(span.endTimeUnixNano)];
  if (!isInTime(start, frame) || !isInTime(end, frame) || msOf(end) < msOf(start)) return 'time';
  return {
    ...{ traceId, spanId, name: span.name, start, end },
    // A root of a trace that is ours would stand beside it.
    parentSpanId: parentSpanId ?? frame.ref.spanId,
    kind: 'internal',
    attributes: { ...attributesOf(span.attributes), ...frame.stamp },
    isError: span.status?.code === 2,
    from: 'ralph-fleet-agent',
  };
}

function readEvent(item: unknown, frame: GuestFrame): SpanEvent | GuestDrop {
  const event = eventForm.safeParse(item).data;
  if (event === undefined) return 'form';
  const name = event.body.stringValue;
  if (!agentNames.test(name)) return 'name';
  const { traceId, spanId } = event;
  if (traceId !== frame.ref.traceId) return 'trace';
  const at = timeOf(event.timeUnixNano);
  if (!isInTime(at, frame)) return 'time';
  const attributes = { ...attributesOf(event.attributes), ...frame.stamp };
  return { traceId, spanId, name, at, attributes, from: 'ralph-fleet-agent' };
}

const pairForm = z.object({
  key: z.string().max(100),
  value: z.object({
    stringValue: z.string().optional(),
    intValue: z.union([z.number(), z.string().regex(/^-?\d{1,19}$/)]).optional(),
    doubleValue: z.number().optional(),
    boolValue: z.boolean().optional(),
    arrayValue: z.object({ values: z.array(z.unknown()) }).optional(),
  }),
});

function attributesOf(given: readonly unknown[] = []): Attributes {
  const kept: Attributes = {};
  for (const pair of given.slice(0, maxAttributes)) {
    const { key, value } = pairForm.safeParse(pair).data ?? {};
    if (key === undefined || value === undefined || !Object.hasOwn(agentAttributes, key)) continue;
    const read = valueIn(agentAttributes[key], value);
    if (read !== null) kept[key] = read;
  }
  return kept;
}

/** Claude Code writes some numbers and truths as text. */
function valueIn(
  kind: 'count' | 'flag' | 'word' | 'words' | undefined,
  { stringValue, intValue, doubleValue, boolValue, arrayValue }: z.infer<typeof pairForm>['value'],
): Attributes[string] | null {
  switch (kind) {
    case 'count': {
      const number = Number(intValue ?? doubleValue ?? (stringValue === '' ? 'none' : stringValue) ?? 'none');
      return number >= 0 && number <= 1e12 ? number : null;
    }
    case 'flag':
      return boolValue ?? (stringValue === 'true' ? true : stringValue === 'false' ? false : null);
    case 'word':
      return isWord(stringValue) ? stringValue : null;
    case 'words': {
      const words = (arrayValue?.values ?? []).slice(0, 8).map((it) => (it as { stringValue?: unknown })?.stringValue);
      return words.every(isWord) ? words : null;
    }
    default:
      return null;
  }
}

/** A name, not a sentence: what holds no space holds little. */
function isWord(text: unknown): text is string {
  return typeof text === 'string' && /^[\w.:@/[\]-]{1,80}$/.test(text);
}

function isInTime(time: Time, { now }: GuestFrame): boolean {
  const ms = msOf(time);
  return ms >= now - longestMs && ms <= now + clockSkewMs;
}

function timeOf(nanoseconds: string | number): Time {
  const whole = BigInt(typeof nanoseconds === 'string' ? nanoseconds : Math.trunc(nanoseconds));
  return [Number(whole / 1_000_000_000n), Number(whole % 1_000_000_000n)];
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return null;
  }
}
