/**
 * Ids of traces and spans (W3C trace context: 32 and 16 hexadecimal digits). Those of tasks, iterations and checks follow from their
 * rows: made again after a crash they are the same, and daemon, gateway and guest agree on them without telling. A key goes into them,
 * so that a guest that knows its own cannot work out others.
 */
export interface SpanRef {
  traceId: string;
  spanId: string;
}

/** HMAC of a text with the installation's key, 64 hexadecimal digits. */
export type Keyed = (text: string) => string;

/** A task's trace, and its root. Ids of tasks are used again after a purge, so the time goes in too. */
export function taskRef(keyed: Keyed, task: { id: string; createdAt: number }): SpanRef {
  const digest = keyed(`trace of task ${task.id} of ${task.createdAt}`);
  return { traceId: digest.slice(0, 32), spanId: digest.slice(32, 48) };
}

/** `what`: the kind of span and the id of what it is made from, `iteration it-0a1b2c3d`. */
export function spanId(keyed: Keyed, what: string): string {
  return keyed(`span of ${what}`).slice(0, 16);
}

export function iterationRef(keyed: Keyed, task: { id: string; createdAt: number }, iteration: string): SpanRef {
  return { traceId: taskRef(keyed, task).traceId, spanId: spanId(keyed, `iteration ${iteration}`) };
}

export function traceparent({ traceId, spanId }: SpanRef): string {
  return `00-${traceId}-${spanId}-01`;
}

const form = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/;

/** Null for anything that is not exactly one. */
export function readTraceparent(text: unknown): SpanRef | null {
  const [, traceId, spanId] = (typeof text === 'string' && form.exec(text)) || [];
  if (traceId === undefined || spanId === undefined || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId };
}
