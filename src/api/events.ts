import type { IncomingMessage, ServerResponse } from 'node:http';
import { FleetError } from '../lib/errors.ts';
import { eventView } from '../queries/task-view.ts';
import type { ApiDeps } from './deps.ts';
import { openSse } from './sse.ts';

const pageSize = 500;
const beatMs = 15_000;

interface Asked {
  url: URL;
  request: IncomingMessage;
  response: ServerResponse;
  signal: AbortSignal;
}

/** Everything after `after` without a gap, then live. The store is the queue: a slow reader loses nothing. */
export async function streamEvents(deps: ApiDeps, { url, request, response, signal }: Asked): Promise<void> {
  let seq = readNumber(url, 'after');
  const { events } = deps.queries.store;
  const sse = openSse(request, response, signal);
  let wake: () => void = () => {};
  const forget = events.onChange(() => wake());
  const beat = setInterval(() => sse.comment('beat'), beatMs);
  try {
    while (!sse.signal.aborted) {
      const news = new Promise<void>((resolve) => {
        wake = resolve;
        sse.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      for (let page = events.after(seq, pageSize); page.length > 0; page = events.after(seq, pageSize)) {
        for (const event of page) {
          if (!(await sse.send({ event: 'fleet', id: event.seq, data: eventView(event) }))) return;
          seq = event.seq;
        }
      }
      await news;
    }
  } finally {
    forget();
    clearInterval(beat);
    sse.end();
  }
}

export function readNumber(url: URL, name: string): number {
  const text = url.searchParams.get(name) ?? '0';
  if (!/^\d{1,15}$/.test(text)) throw new FleetError('usage', `\`${name}\` is not a whole number.`);
  return Number(text);
}
