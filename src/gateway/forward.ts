import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Dispatcher, request } from 'undici';
import type { Settlement } from '../contract/gateway.ts';
import type { Clock } from '../lib/clock.ts';
import { isAbort } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Api } from './apis.ts';
import type { Gate } from './budget/gate.ts';
import { type Headers, requestHeaders, responseHeaders, retryAtOf } from './headers.ts';
import type { Counted, End, OpenGrant } from './ledger/ledger.ts';
import { countCall, type Reserved } from './meter/counted.ts';
import { createMeter, type Meter } from './meter/meter.ts';
import type { Prices } from './meter/prices.ts';

export interface Upstream {
  /** Base URL of each provider, without a trailing slash. */
  urls: Readonly<Record<Api['provider'], string>>;
  dispatcher: Dispatcher;
}

export interface ForwardDeps {
  /** In this gateway's books, or in those of the one that took its place. */
  settle: (reservation: number, end: End, counted: Counted) => Settlement | null | Promise<null>;
  gate: Gate;
  upstream: Upstream;
  clock: Clock;
  log: Log;
}

/** A request on its way up. */
export interface Call {
  grant: OpenGrant;
  api: Api;
  key: string;
  /** Path and query, both checked. */
  path: string;
  /** Ends the call: the client is gone, the grant is over, the gateway must stop. */
  signal: AbortSignal;
  /** Null for what costs nothing (count_tokens), which is passed through as it comes. */
  metered: { bytes: Buffer; reservation: number; reserved: Reserved; prices: Prices; release(): void } | null;
}

/**
 * One call: bytes up, bytes down, both only as fast as the slower side takes them; usage is read on the side. It is settled once,
 * before its last byte goes down, so that the next call already meets the new total; when either side breaks off, what is then
 * known is settled. Throws what broke the upstream before it answered.
 */
export async function forward(deps: ForwardDeps, call: Call, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const book = openBook(deps, call);
  try {
    const answer = await request(`${deps.upstream.urls[call.api.provider]}${call.path}`, {
      method: 'POST',
      headers: upHeaders(req, call),
      body: Readable.from(upBody(req, call, book)),
      dispatcher: deps.upstream.dispatcher,
      signal: call.signal,
    });
    call.metered?.release();
    const down = downHeaders(answer.statusCode, answer.headers);
    const retryAt = retryAtOf(answer.statusCode, answer.headers, deps.clock.now());
    book.answered(answer.statusCode, retryAt, down['content-type'] ?? '');
    res.writeHead(answer.statusCode, down);
    res.flushHeaders();
    await pipeline(metered(answer.body, book, call.signal), res);
  } catch (error) {
    if (!res.headersSent && !call.signal.aborted) {
      book.broken();
      throw error;
    }
    if (!isAbort(error)) deps.log.warn({ grant: call.grant.id, err: String(error) }, 'call broke off');
    res.destroy();
  } finally {
    call.metered?.release();
    book.settle();
  }
}

function upHeaders(req: IncomingMessage, { key, api, metered: it }: Call): Headers {
  const headers: Headers = { ...requestHeaders(req.headers), 'accept-encoding': 'identity' };
  if (it !== null) headers['content-length'] = String(it.bytes.length);
  return api.provider === 'openai' ? { ...headers, authorization: `Bearer ${key}` } : { ...headers, 'x-api-key': key };
}

function downHeaders(status: number, from: IncomingMessage['headers']): Headers {
  const headers = responseHeaders(from);
  // It is the host's credential that was refused: no retry of the guest's can mend that.
  return status === 401 || status === 403 ? { ...headers, 'x-should-retry': 'false' } : headers;
}

/** What is taken from here may have left the host. */
async function* upBody(req: IncomingMessage, { metered: it }: Call, book: Book): AsyncGenerator<Buffer> {
  if (it === null) {
    // The request outlives a refused upload: its connection must still carry the answer.
    yield* req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    return;
  }
  book.sent();
  yield it.bytes;
}

/** Keeps one piece back, so that the call is settled before the client can know that the answer is complete. */
async function* metered(body: AsyncIterable<Buffer>, book: Book, signal: AbortSignal): AsyncGenerator<Buffer> {
  let kept: Buffer | null = null;
  try {
    for await (const chunk of body) {
      const isLast = book.push(chunk);
      if (isLast) await book.settled();
      if (kept !== null) yield kept;
      kept = null;
      if (isLast || book.streams()) yield chunk;
      else kept = chunk;
    }
  } catch (error) {
    if (!signal.aborted) book.broken();
    throw error;
  }
  book.ended();
  await book.settled();
  if (kept !== null) yield kept;
}

interface Book {
  sent(): void;
  answered(status: number, retryAt: number | null, contentType: string): void;
  /** True when this piece ends the answer; the call is then settled. */
  push(chunk: Uint8Array): boolean;
  streams(): boolean;
  ended(): void;
  broken(): void;
  settle(): void;
  /** Resolves when the settlement is in the books. */
  settled(): Promise<void>;
}

/** What is known of one call, and its way into the ledger. */
function openBook({ settle: enter, gate, clock, log }: ForwardDeps, { api, metered: call }: Call): Book {
  let meter: Meter | null = null;
  const end = { status: 0, retryAt: null as number | null, isBroken: false, isSent: false };
  let isStream = false;
  let isSettled = call === null;
  let onItsWay: Promise<null> | null = null;

  function settle(): void {
    if (isSettled || call === null) return;
    const counted = countCall(call.reserved, { ...end, seen: meter?.seen() ?? null }, call.prices);
    const status = end.isBroken ? 0 : end.status;
    const refused = end.isBroken || status === 0 || status >= 400 ? 'upstream' : null;
    const entered = enter(call.reservation, { at: clock.now(), status, refused, retryAt: end.retryAt }, counted);
    isSettled = true; // not before: what a full disk refused is tried once more at the call's end, and at the next start
    if (entered instanceof Promise) onItsWay = entered;
    else told(entered);
  }

  function told(settlement: Settlement | null): void {
    gate.changed();
    if (settlement === null) return;
    const { model, flags } = settlement;
    if (settlement.priceKnown === false) log.warn({ model }, 'model is not in the price table');
    if (flags.length > 0) log.warn({ model, flags }, 'the figures of the provider are not what was to be expected');
    log.info({ ...settlement }, 'call settled');
  }

  return {
    sent: () => {
      end.isSent = true;
    },
    answered: (status, retryAt, contentType) => {
      Object.assign(end, { status, retryAt });
      isStream = contentType.startsWith('text/event-stream');
      meter = createMeter(api.dialect, contentType);
    },
    push: (chunk) => {
      meter?.push(chunk);
      const isFinal = isStream && (meter?.seen().isFinal ?? false);
      if (isFinal) settle();
      return isFinal;
    },
    streams: () => isStream,
    ended: () => {
      meter?.end();
      settle();
    },
    broken: () => {
      end.isBroken = true;
      meter?.end();
    },
    settle,
    settled: async () => void (await onItsWay),
  };
}
