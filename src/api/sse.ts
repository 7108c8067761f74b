import type { IncomingMessage, ServerResponse } from 'node:http';

/** One open event stream. */
export interface Sse {
  /** Resolves when more may be written; false once the client is gone. */
  send(event: { event: string; id: number; data: unknown }): Promise<boolean>;
  comment(text: string): void;
  /** Fires when the client leaves or the daemon stops. */
  signal: AbortSignal;
  end(): void;
}

export function openSse(request: IncomingMessage, response: ServerResponse, stop: AbortSignal): Sse {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.flushHeaders();
  const gone = new AbortController();
  request.on('close', () => gone.abort());
  response.on('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, stop]);
  return {
    signal,
    async send({ event, id, data }) {
      if (signal.aborted) return false;
      const flushed = response.write(`event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
      if (!flushed) await drained(response, signal);
      return !signal.aborted;
    },
    comment: (text) => void response.write(`: ${text}\n\n`),
    end: () => void response.end(),
  };
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    response.once('drain', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
