import type { Client } from '../client/client.ts';
import type { FleetEventView } from '../contract/events.ts';
import type { FleetView } from '../contract/fleet-view.ts';
import type { Clock } from '../lib/clock.ts';
import { isFleetError } from '../lib/errors.ts';

export interface Glance {
  view: FleetView;
  /** What happened since the last glance. */
  events: FleetEventView[];
}

const beatMs = 1000;
/** Many events in a row are one look. */
const calmMs = 150;

/**
 * The fleet as it changes: a first look, then one after events, and at least one a second. Ends when the signal fires. A daemon that
 * is away for a moment is waited for; `onLost` is told once.
 */
export async function* followFleet(
  client: Client,
  clock: Clock,
  signal: AbortSignal,
  onLost: () => void = () => {},
): AsyncGenerator<Glance> {
  const first = await client.call('fleet', { signal });
  yield { view: first, events: [] };
  // Whoever stops looking ends the stream too: an open one would keep the command alive.
  const left = new AbortController();
  const watching = AbortSignal.any([signal, left.signal]);
  const news = listen(client, first.seq, watching);
  let lost = false;
  try {
    while (!signal.aborted) {
      await news.next(clock);
      if (signal.aborted) return;
      try {
        const view = await client.call('fleet', { signal });
        lost = false;
        yield { view, events: news.take() };
      } catch (error) {
        if (signal.aborted) return;
        if (!isFleetError(error, 'daemon_unavailable')) throw error;
        if (!lost) onLost();
        lost = true;
      }
    }
  } finally {
    left.abort();
  }
}

function listen(client: Client, after: number, signal: AbortSignal) {
  let waiting: FleetEventView[] = [];
  let wake = () => {};
  const pump = async () => {
    for await (const event of client.events(after, signal)) {
      waiting.push(event);
      wake();
    }
  };
  pump().catch(() => {}); // the next call says what is wrong
  return {
    take: () => {
      const taken = waiting;
      waiting = [];
      return taken;
    },
    next: async (clock: Clock) => {
      const woken = new AbortController();
      wake = () => woken.abort();
      const either = AbortSignal.any([woken.signal, signal]);
      await clock.sleep(waiting.length > 0 ? calmMs : beatMs, either).catch(() => {});
      if (woken.signal.aborted) await clock.sleep(calmMs, signal).catch(() => {});
    },
  };
}
