import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Settlement } from '../contract/gateway.ts';
import type { Clock } from '../lib/clock.ts';
import { isAbort } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Api } from './apis.ts';
import type { Gate } from './budget/gate.ts';
import { exchange } from './exchange.ts';
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
  const { dispatcher, urls } = deps.upstream;
  try {
    await exchange(
      {
        url: `${urls[call.api.provider]}${call.path}`,
        headers: upHeaders(req, call),
        body: call.metered?.bytes ?? passing(req),
        sent: book.sent,
        answered: (status, headers) => {
          call.metered?.release();
          const down = downHeaders(status, headers);
          book.answered(status, retryAtOf(status, headers, deps.clock.now()), down['content-type'] ?? '');
          return down;
        },
        pass: book.push,
        ended: book.ended,
        waits: book.waits,
      },
      { dispatcher, signal: call.signal },
      res,
    );
  } catch (error) {
    if (!call.signal.aborted) book.broken();
    if (!res.headersSent && !call.signal.aborted) throw error;
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

/** The request outlives a refused upload: its connection must still carry the answer. */
function passing(req: IncomingMessage): Readable {
  return Readable.from(req.iterator({ destroyOnReturn: false }), { objectMode: false });
}

interface Book {
  sent(): void;
  answered(status: number, retryAt: number | null, contentType: string): void;
  /**
   * What may go down now. The call is settled before the client can know that the answer is complete: with the last piece of a
   * stream, or with the end; so one piece of any other answer is kept back.
   */
  push(chunk: Buffer): Buffer | null;
  ended(): Buffer | null;
  broken(): void;
  settle(): void;
  /** Until the settlement is in the books, where those are another gateway's. */
  waits(): Promise<null> | null;
}

/** What is known of one call, and its way into the ledger. */
function openBook({ settle: enter, gate, clock, log }: ForwardDeps, { api, metered: call }: Call): Book {
  let meter: Meter | null = null;
  const end = { status: 0, retryAt: null as number | null, isBroken: false, isSent: false };
  let isStream = false;
  let isSettled = call === null;
  let onItsWay: Promise<null> | null = null;
  let kept: Buffer | null = null;

  function settle(): void {
    if (isSettled || call === null) return;
    const counted = countCall(call.reserved, { ...end, seen: meter?.seen() ?? null }, call.prices);
    const status = end.isBroken ? 0 : end.status;
    const refused = end.isBroken || status === 0 || status >= 400 ? 'upstream' : null;
    const entered = enter(call.reservation, { at: clock.now(), status, refused, retryAt: end.retryAt }, counted);
    isSettled = true; // not before: what a full disk refused is tried once more at the call's end, and at the next start
    if (entered instanceof Promise) {
      onItsWay = entered.finally(() => {
        onItsWay = null;
      });
    } else told(entered);
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
      if (isStream) {
        if (!isSettled && meter?.seen().isFinal) settle();
        return chunk;
      }
      const piece = kept;
      kept = chunk;
      return piece;
    },
    ended: () => {
      meter?.end();
      settle();
      return kept;
    },
    broken: () => {
      end.isBroken = true;
      meter?.end();
    },
    settle,
    waits: () => onItsWay,
  };
}
