import type { FleetEvent } from '../../domain/fleet.ts';
import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { OtlpSender } from './otlp-sender.ts';
import type { Counts } from './queue.ts';
import { msOf, type Span } from './span.ts';

/**
 * Sends the spans of tasks as they end. It reads the store's events from a cursor on; whatever an event is about, its task's spans that
 * have ended and were not sent yet go out, and only then the cursor moves. So nothing waits in memory: a receiver that is away, a
 * daemon that is killed, or both, leave a cursor behind, from which the same spans are made again. What was sent shortly before a
 * crash may come twice, and is the same span then.
 */
export interface FollowDeps {
  events: {
    after(seq: number, limit: number): FleetEvent[];
    last(): number;
    onChange(listener: () => void): () => void;
  };
  cursor: { get(): number | null; set(seq: number | null): void };
  /** Null when there is no such task. */
  spansOf: (task: string) => Span[] | null;
  /** Null while no receiver is configured. */
  sender: () => OtlpSender | null;
  clock: Clock;
  log: Log;
}

export interface Follower {
  start(): void;
  /** Looks again: another receiver may be configured. */
  nudge(): void;
  stop(): Promise<void>;
  counts(): Counts;
}

const pageSize = 500;
const batchSize = 256;
/** Events come in bursts. */
const gatherMs = 500;
const firstBackoffMs = 1_000;
const maxBackoffMs = 60_000;
/** How far before its cursor a new daemon looks: clocks are set, and a row is written before its event. */
const marginMs = 600_000;
/** Of so many tasks it is known what was sent; those that had no event for longest are forgotten first. */
const mostTasks = 1000;
const stopMs = 2_000;

export function createFollower(deps: FollowDeps): Follower {
  const { events, cursor, clock, log } = deps;
  const counts: Counts = { exported: 0, dropped: { full: 0, refused: 0, ended: 0 } };
  const over = new AbortController();
  /** Of each task that has had an event since this began, what of it was sent. */
  const sent = new Map<string, Set<string>>();
  let since: number | null = null;
  let isOn = false;
  let wake: (() => void) | null = null;
  let isNudged = false;
  let failures = 0;
  let running: Promise<void> | null = null;

  function nudge(): void {
    isNudged = true;
    wake?.();
  }

  async function run(): Promise<void> {
    while (!over.signal.aborted) {
      isNudged = false;
      const end = await look().catch((error: unknown) => {
        log.error({ err: error }, 'spans of tasks could not be made');
        return 'later' as const;
      });
      if (end === 'more') continue;
      if (end === 'later')
        await clock.sleep(backoffMs(++failures, firstBackoffMs, maxBackoffMs), over.signal).catch(() => {});
      else if (!isNudged) await new Promise<void>((resolve) => (wake = resolve));
      wake = null;
      if (end !== 'later') await clock.sleep(gatherMs, over.signal).catch(() => {});
    }
  }

  async function look(): Promise<'more' | 'nothing' | 'later'> {
    const sender = deps.sender();
    isOn = sender !== null;
    if (sender === null) {
      // What happens meanwhile is nobody's business.
      if (cursor.get() !== null) cursor.set(null);
      sent.clear();
      since = null;
      return 'nothing';
    }
    const at = begin();
    const page = events.after(at, pageSize);
    const last = page.at(-1);
    if (last === undefined) return 'nothing';
    for (const task of new Set(page.map(({ subject }) => subject))) {
      if (!(await sendTask(sender, task))) return 'later';
      if (over.signal.aborted) return 'nothing';
    }
    cursor.set(last.seq);
    return page.length === pageSize ? 'more' : 'nothing';
  }

  /** Where to go on; what ended long before was sent, or was before anybody wanted it. */
  function begin(): number {
    const kept = cursor.get();
    if (kept !== null) {
      since ??= (events.after(kept - 1, 1)[0]?.at ?? clock.now()) - marginMs;
      return kept;
    }
    since = clock.now();
    const last = events.last();
    cursor.set(last);
    return last;
  }

  /** A task whose spans cannot be made does not hold up the others. */
  function spansOf(task: string): Span[] | null {
    try {
      return deps.spansOf(task);
    } catch (error) {
      log.error({ task, err: error }, 'spans of a task could not be made');
      return null;
    }
  }

  async function sendTask(sender: OtlpSender, task: string): Promise<boolean> {
    const before = sent.get(task) ?? new Set<string>();
    const all = spansOf(task);
    if (all === null) return true;
    const news = all.filter((span) => msOf(span.end) >= (since ?? 0) && !before.has(keyOf(span)));
    for (let from = 0; from < news.length; from += batchSize) {
      const spans = news.slice(from, from + batchSize);
      const how = await sender.send({ spans });
      if (how === 'later') {
        if (failures === 0) log.warn({ task }, 'the receiver of traces does not answer');
        return false;
      }
      failures = 0;
      if (how === 'refused') log.warn({ task, spans: spans.length }, 'the receiver of traces refuses what is sent');
      if (how === 'taken') counts.exported += spans.length;
      else counts.dropped.refused += spans.length;
      for (const span of spans) before.add(keyOf(span));
      sent.delete(task);
      sent.set(task, before);
    }
    const [oldest] = sent.keys();
    if (sent.size > mostTasks && oldest !== undefined) sent.delete(oldest);
    return true;
  }

  const unlisten = events.onChange(() => {
    if (isOn) nudge();
  });
  return {
    start: () => {
      running ??= run();
    },
    nudge,
    stop: async () => {
      unlisten();
      over.abort();
      nudge();
      // What is on its way is sent again by the next one, if it does not arrive.
      await Promise.race([running, clock.sleep(stopMs)]);
    },
    counts: () => structuredClone(counts),
  };
}

/** A span that ended later than before is another one to tell. */
function keyOf({ spanId, end }: Span): string {
  return `${spanId} ${end[0]}.${end[1]}`;
}
