/** A span that has ended; the form in which rows, the gateway and guests all give theirs. */
export interface Span {
  traceId: string;
  spanId: string;
  parentSpanId: string | null;
  name: string;
  /** `client`: a call to another system. */
  kind: 'internal' | 'client';
  start: Time;
  end: Time;
  attributes: Attributes;
  isError: boolean;
  from: Service;
}

/** Something that happened at one time in a span. */
export interface SpanEvent {
  traceId: string;
  spanId: string;
  name: string;
  at: Time;
  attributes: Attributes;
  from: Service;
}

/** Seconds since the epoch, and nanoseconds. */
export type Time = [seconds: number, nanoseconds: number];
export type Attributes = Record<string, string | number | boolean | string[]>;

/** Who made it: `service.name` in what is exported. */
export type Service = 'ralph-fleet' | 'ralph-fleet-gateway' | 'ralph-fleet-agent';

export function timeOf(ms: number): Time {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}

export function msOf([seconds, nanoseconds]: Time): number {
  return seconds * 1000 + nanoseconds / 1e6;
}

/** Without those that say nothing. */
export function known(given: Record<string, Attributes[string] | null | undefined>): Attributes {
  const kept: Attributes = {};
  for (const [name, value] of Object.entries(given)) if (value !== null && value !== undefined) kept[name] = value;
  return kept;
}
