import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { isAbort } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { createTurns } from '../../lib/turns.ts';
import { createBacklog } from './backlog.ts';
import { advance, type Batch, createBatches } from './batch.ts';
import { newCursor, type Position, readCursor, writeCursor } from './cursor.ts';
import type { Entry } from './entry.ts';
import { createTally, type LogFigures } from './figures.ts';
import type { Loki } from './loki.ts';
import { settle } from './settle.ts';
import type { LogSource } from './source.ts';

/**
 * Ships the logs to Loki: each line once, over an outage, a restart and kill -9 of either side.
 *
 *     look at the files -> batch -> cursor on the disk -> push -> (ask Loki, push the rest) -> cursor goes on
 *          ^                                           |                                           |
 *          +------ meanwhile the next one, up to here -+-------------------------------------------+
 *
 * Invariants: nothing is sent before the cursor on the disk says what. One batch is under way at a time, the oldest lines first. A batch is read
 * from the files while the one before it is under way, so an outage takes room on the disk only where it was taken already. It never throws at the fleet: whatever fails is tried again.
 */
export interface RelayDeps {
  loki: Loki;
  cursorFile: string;
  fleet: string;
  /** Hides secrets in a line. */
  hide: (text: string) => string;
  clock: Clock;
  log: Pick<Log, 'info' | 'warn'>;
  /** What there is to ship now; null while that is not known yet. */
  sources: () => readonly LogSource[] | null;
}

export interface Relay {
  /** Until it is called off. */
  run(signal: AbortSignal): Promise<void>;
  figures(): LogFigures | null;
}

const lookMs = 200;
/** An idle relay writes its cursor this long after the last batch; one that waits for Loki, at times, for when lines came. */
const idleSaveMs = 1000;
const saveMs = 10_000;
/** Loki refuses what is older than a week; a day's margin would lose more than it spares. */
const maxAgeMs = 7 * 24 * 3_600_000 - 600_000;
const lastRetryMs = 30_000;
/** A run that lasted so long was well; what ends it is told again. */
const soundMs = 60_000;

export function createRelay(deps: RelayDeps): Relay {
  let figures: () => LogFigures | null = () => null;
  return {
    figures: () => figures(),
    async run(signal) {
      for (let attempt = 1; !signal.aborted; attempt++) {
        const began = deps.clock.now();
        try {
          await ship(deps, signal, (ask) => {
            figures = ask;
          });
        } catch (error) {
          if (isAbort(error) || signal.aborted) return;
          if (deps.clock.now() - began > soundMs) attempt = 1;
          if (attempt === 1) deps.log.warn({ err: error }, 'the logs cannot be read or their cursor not be written');
          await deps.clock.sleep(backoffMs(attempt, lookMs, lastRetryMs), signal).catch(() => {});
        }
      }
    },
  };
}

async function ship(deps: RelayDeps, signal: AbortSignal, tell: (ask: () => LogFigures) => void): Promise<void> {
  const { clock, log } = deps;
  let isBroken = false;
  const read = await readCursor(deps.cursorFile, (err) => {
    isBroken = true;
    log.warn({ err }, 'the cursor of the logs cannot be read: Loki is asked what it has');
  });
  const cursor = read ?? newCursor(clock.now());
  const tally = createTally(cursor.totals, clock.now(), (state, why) => {
    if (state === 'waiting') log.warn({ why }, 'Loki takes no logs; they stay in their files');
    else log.info('Loki takes the logs again');
  });
  const onLost = ({ source }: Position, bytes: number) => {
    const lines = tally.lost(bytes);
    log.warn({ source: source.key, bytes, lines }, 'logs were removed before Loki had them');
  };
  const backlog = createBacklog({ cursor, now: clock.now, onLost });
  const batches = createBatches({ cursor, fleet: deps.fleet, hide: deps.hide, onLost });
  tell(() => tally.figures(clock.now(), backlog));

  /** What is under way, and what is ready to go next, in this order. */
  const planned = new Set<Batch>();
  function notePlan(): void {
    const parts = [...planned].flatMap(({ plan }) => plan);
    cursor.plan = parts.length === 0 ? null : parts;
  }

  /** The lines behind those of `before`, and on the disk that they may be sent. */
  async function prepare(before?: Batch): Promise<Batch | null> {
    const batch = await batches.next(before);
    if (batch === null) return null;
    planned.add(batch);
    notePlan();
    try {
      await save();
      return batch;
    } catch (error) {
      planned.delete(batch);
      notePlan();
      throw error;
    }
  }

  async function send(batch: Batch, isUnsure: boolean): Promise<void> {
    const dropped = new Set<Entry>();
    const entries = batch.entries.filter(({ ns }) => Number(ns.slice(0, -6)) > clock.now() - maxAgeMs);
    if (entries.length < batch.entries.length) tally.dropped('too_old', batch.entries.length - entries.length);
    await settle(
      entries,
      isUnsure,
      {
        ...{ loki: deps.loki, clock },
        onFailure: (why, text) => tally.failed(why, text, clock.now()),
        onSuccess: () => tally.taken(clock.now()),
        onDrop(lines, reason, text) {
          for (const line of lines) dropped.add(line);
          tally.dropped(reason, lines.length);
          log.warn({ lines: lines.length, reason, why: text }, 'Loki does not take lines of the logs');
        },
      },
      signal,
    );
    for (const [stream, lines] of countStreams(entries.filter((entry) => !dropped.has(entry))))
      tally.shipped(stream, lines);
    cursor.totals.shippedBytes += batch.bytes;
    advance(cursor, batch);
    planned.delete(batch);
    notePlan();
  }

  const inTurn = createTurns();
  const save = () =>
    inTurn(async () => {
      cursor.seenUntil = clock.now();
      await writeCursor(deps.cursorFile, cursor);
    });

  let wake = () => {};
  signal.addEventListener('abort', () => wake(), { once: true });
  let isTroubled = false;
  async function look(): Promise<void> {
    const offered = deps.sources();
    if (offered === null) return;
    try {
      await backlog.look(offered);
      isTroubled = false;
    } catch (err) {
      if (!isTroubled) log.warn({ err }, 'the files of the logs cannot be looked at');
      isTroubled = true;
    }
  }
  /** Goes on while Loki is away: when lines came is known only then. */
  async function keepLooking(until: AbortSignal): Promise<void> {
    for (let savedAt = clock.now(); ; ) {
      await clock.sleep(lookMs, until);
      await look();
      wake();
      if (cursor.plan === null || clock.now() - savedAt < saveMs) continue;
      savedAt = clock.now();
      await save().catch(() => {}); // a full disk shows where a batch is begun
    }
  }

  while (deps.sources() === null) await clock.sleep(lookMs, signal);
  await look();
  const stop = new AbortController();
  const looking = keepLooking(AbortSignal.any([signal, stop.signal])).catch(() => {});
  let preparing: Promise<Batch | null> = Promise.resolve(null);
  try {
    if (cursor.plan !== null) {
      const again = await batches.again(cursor.plan);
      planned.add(again);
      await send(again, true);
    }
    let ready: Batch | null = null;
    for (let sentAt: number | null = clock.now(); ; ) {
      signal.throwIfAborted();
      const batch: Batch | null = ready ?? (await prepare());
      ready = null;
      if (batch !== null) {
        // Where that fails it is done again, and told then.
        preparing = prepare(batch).catch(() => null);
        await send(batch, isBroken);
        ready = await preparing;
        sentAt = clock.now();
        continue;
      }
      isBroken = false;
      if (sentAt !== null && clock.now() - sentAt >= idleSaveMs) {
        await save();
        sentAt = null;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    stop.abort();
    await Promise.all([looking, preparing]);
    // Nothing is under way: the next run, and another Loki, begin right here.
    if (cursor.plan === null) await save().catch(() => {});
  }
}

function countStreams(entries: readonly Entry[]): Map<string, number> {
  const byLabels = new Map<string, number>();
  for (const { stream } of entries) byLabels.set(stream, (byLabels.get(stream) ?? 0) + 1);
  const counts = new Map<string, number>();
  for (const [labels, lines] of byLabels) {
    const { stream } = JSON.parse(labels) as { stream: string };
    counts.set(stream, (counts.get(stream) ?? 0) + lines);
  }
  return counts;
}
