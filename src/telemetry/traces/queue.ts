import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { isAbort } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Batch, OtlpSender, Sent } from './otlp-sender.ts';
import type { Span, SpanEvent } from './span.ts';

/**
 * What waits for an OTLP receiver: in memory, bounded, sent in batches from the oldest on. While the receiver is away it is tried again
 * and again; what has no room meanwhile pushes the oldest out. Whatever is lost is counted, with the reason.
 */
export interface Queue {
  span(span: Span): void;
  event(event: SpanEvent): void;
  counts(): Counts;
  /** What waits is tried once more, until the deadline; the rest is lost. */
  close(deadlineMs: number): Promise<void>;
}

export interface Counts {
  exported: number;
  dropped: Record<DropReason, number>;
}

/** `full`: no room; `refused`: the receiver does not want it; `ended`: it was still here at the end. */
export type DropReason = 'full' | 'refused' | 'ended';

export interface QueueDeps {
  sender: OtlpSender;
  clock: Clock;
  log: Log;
  /** Of spans, and of events. */
  room?: number;
}

const maxBatch = 256;
/** Spans that come at about the same time go together. */
const gatherMs = 500;
const firstBackoffMs = 1_000;
const maxBackoffMs = 60_000;

export function createQueue({ sender, clock, log, room = 4096 }: QueueDeps): Queue {
  const spans: Span[] = [];
  const events: SpanEvent[] = [];
  const counts: Counts = { exported: 0, dropped: { full: 0, refused: 0, ended: 0 } };
  const over = new AbortController();
  let working: Promise<void> | null = null;
  let failures = 0;
  /** Its end does not wait for a receiver that is away. */
  let isClosing = false;
  let isClosed = false;
  /** On their way, with no answer yet. */
  let flying = 0;

  function put<T>(list: T[], one: T): void {
    list.push(one);
    if (list.length > room) {
      list.shift();
      counts.dropped.full += 1;
    }
    working ??= work().finally(() => {
      working = null;
    });
  }

  async function work(): Promise<void> {
    await clock.sleep(gatherMs, over.signal).catch(() => {});
    while (spans.length + events.length > 0) {
      const sent = await one();
      if (sent !== 'later') continue;
      if (isClosing) return;
      failures += 1;
      await clock.sleep(backoffMs(failures, firstBackoffMs, maxBackoffMs), over.signal).catch(() => {});
    }
  }

  async function one(): Promise<Sent> {
    const list = spans.length > 0 ? spans : events;
    // Taken out first: what comes meanwhile may push the oldest out.
    const taken = list.splice(0, maxBatch);
    const batch = (list === spans ? { spans: taken } : { events: taken }) as Batch;
    flying = taken.length;
    const sent = await sender.send(batch).catch((error: unknown): Sent => {
      if (!isAbort(error)) log.warn({ err: String(error) }, 'telemetry could not be sent');
      return 'refused';
    });
    flying = 0;
    if (isClosed) return 'refused';
    if (sent === 'later') {
      if (failures === 0) log.warn({ waiting: taken.length + list.length }, 'the receiver of traces does not answer');
      putBack(list, taken);
      return sent;
    }
    failures = 0;
    if (sent === 'taken') counts.exported += taken.length;
    else {
      if (counts.dropped.refused === 0)
        log.warn({ count: taken.length }, 'the receiver of traces refuses what is sent');
      counts.dropped.refused += taken.length;
    }
    return sent;
  }

  function putBack(list: unknown[], taken: unknown[]): void {
    list.unshift(...taken);
    const tooMany = Math.max(0, list.length - room);
    list.splice(0, tooMany);
    counts.dropped.full += tooMany;
  }

  return {
    span: (span) => put(spans, span),
    event: (event) => put(events, event),
    counts: () => ({ exported: counts.exported, dropped: { ...counts.dropped } }),
    close: async (deadlineMs) => {
      isClosing = true;
      over.abort();
      const late = new AbortController();
      const deadline = clock.sleep(deadlineMs, late.signal).catch(() => {});
      await Promise.race([working ?? Promise.resolve(), deadline]);
      late.abort();
      isClosed = true;
      const left = spans.length + events.length + flying;
      counts.dropped.ended += left;
      if (left > 0) log.warn({ ...counts }, 'what was not sent of traces is lost');
      spans.length = 0;
      events.length = 0;
      await Promise.race([sender.close(), clock.sleep(500)]);
    },
  };
}
