import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';

/** One request up and its answer down, piece by piece as it comes, only as fast as the client takes it. */
export interface Exchange {
  url: string;
  headers: Record<string, string>;
  body: Buffer | Readable;
  /** From here on it may have left the host. */
  sent(): void;
  /** The headers for the client; null: it was answered otherwise, and what comes is not wanted. */
  answered(status: number, headers: IncomingHttpHeaders): Record<string, string> | null;
  /** What of this piece, and of earlier ones, goes down now. */
  pass(piece: Buffer): Buffer | null;
  /** What is left to go down with the answer's end. */
  ended(): Buffer | null;
  /** What the next piece, or the end, must wait for. */
  waits(): Promise<unknown> | null;
}

/**
 * Resolves when the answer is with the client; rejects with what broke it, or the signal's reason. Straight from undici's parser to
 * the response: each stream in between would cost every piece several turns of the event loop.
 */
export function exchange(
  it: Exchange,
  { dispatcher, signal }: { dispatcher: Dispatcher; signal: AbortSignal },
  res: ServerResponse,
): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    let controller: Dispatcher.DispatchController | null = null;
    let hasWritten = false;
    const stop = () => {
      controller?.abort(signal.reason);
      reject(signal.reason);
    };
    signal.addEventListener('abort', stop, { once: true });
    const fail = (error: Error) => {
      signal.removeEventListener('abort', stop);
      reject(error);
    };
    res.on('error', (error) => {
      controller?.abort(error);
      fail(error);
    });

    function write(piece: Buffer | null, from: Dispatcher.DispatchController): void {
      if (piece === null || res.destroyed) return;
      hasWritten = true;
      if (res.write(piece)) return;
      from.pause();
      res.once('drain', () => from.resume());
    }

    function end(piece: Buffer | null): void {
      res.once('close', () => (res.writableFinished ? resolve() : fail(new Error('the client hung up'))));
      res.once('finish', () => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
      if (piece === null) res.end();
      else res.end(piece);
    }

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: (from) => {
        controller = from;
        if (signal.aborted) from.abort(signal.reason);
        else it.sent();
      },
      onResponseStart: (from, status, headers) => {
        if (status < 200) return;
        const down = it.answered(status, headers);
        if (down === null) {
          signal.removeEventListener('abort', stop);
          resolve();
          return void from.abort(new Error('not wanted'));
        }
        res.writeHead(status, down);
        // They go with the first piece, if that is here already.
        process.nextTick(() => {
          if (!hasWritten && !res.destroyed) res.flushHeaders();
        });
      },
      onResponseData: (from, chunk) => {
        const piece = it.pass(chunk);
        const first = it.waits();
        if (first === null) return write(piece, from);
        from.pause();
        void first.then(() => {
          write(piece, from);
          if (!res.writableNeedDrain) from.resume();
        });
      },
      onResponseEnd: () => {
        const piece = it.ended();
        const first = it.waits();
        if (first === null) end(piece);
        else void first.then(() => end(piece));
      },
      onResponseError: (_from, error) => fail(error),
    };
    const { origin, prefix } = split(it.url);
    dispatcher.dispatch({ origin, path: prefix, method: 'POST', headers: it.headers, body: it.body }, handler);
  });
}

/** The URL is ours and was checked: origin, and what follows it. */
function split(url: string): { origin: string; prefix: string } {
  const at = url.indexOf('/', url.indexOf('//') + 2);
  return { origin: url.slice(0, at), prefix: url.slice(at) };
}
