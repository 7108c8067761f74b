import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Dispatcher, request } from 'undici';
import type { Clock } from '../lib/clock.ts';
import { isAbort } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { whoOf } from './admission.ts';
import { type Headers, requestHeaders, responseHeaders, retryAtOf } from './headers.ts';
import { type Amounts, type Ledger, noAmounts, type OpenGrant } from './ledger.ts';
import { priceOf } from './prices.ts';
import { createUsageMeter, requestedModel, type UsageMeter } from './usage.ts';

export interface Upstream {
  /** Without a trailing slash. */
  url: string;
  dispatcher: Dispatcher;
}

export interface ForwardDeps {
  ledger: Ledger;
  upstream: Upstream;
  clock: Clock;
  log: Log;
}

export interface Call {
  grant: OpenGrant;
  key: string;
  /** Path and query, both checked. */
  path: string;
  /** False for what costs nothing (count_tokens). */
  metered: boolean;
  /** Ends the call: the client is gone, the grant was ended, the gateway must stop. */
  signal: AbortSignal;
}

/** A model's name stands at the beginning of a request; more than this is not held to find it. */
const maxSniffBytes = 4 * 1024 * 1024;

/**
 * One call: bytes up, bytes down, both as they come and only as fast as the slower side takes them; usage is read on the
 * side. It is settled once, before its last byte goes down, so that the next call already meets the new total; when either
 * side breaks off, what was seen is settled. Throws what broke the upstream before it answered.
 */
export async function forward(deps: ForwardDeps, call: Call, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const book = openBook(deps, call);
  try {
    const answer = await request(`${deps.upstream.url}${call.path}`, {
      method: 'POST',
      headers: upHeaders(req, call.key),
      body: Readable.from(sniffed(req, book.asked)),
      dispatcher: deps.upstream.dispatcher,
      signal: call.signal,
    });
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
    book.settle();
  }
}

function upHeaders(req: IncomingMessage, key: string): Headers {
  return { ...requestHeaders(req.headers), 'accept-encoding': 'identity', 'x-api-key': key };
}

function downHeaders(status: number, from: IncomingMessage['headers']): Headers {
  const headers = responseHeaders(from);
  // It is the host's credential that was refused: no retry of the guest's can mend that.
  return status === 401 || status === 403 ? { ...headers, 'x-should-retry': 'false' } : headers;
}

async function* sniffed(req: IncomingMessage, onModel: (model: string) => void): AsyncGenerator<Buffer> {
  let pieces: Buffer[] | null = [];
  let held = 0;
  // The request outlives a refused upload: its connection must still carry the answer.
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    held += chunk.length;
    if (held > maxSniffBytes) pieces = null;
    pieces?.push(chunk);
    yield chunk;
  }
  const model = pieces === null ? null : requestedModel(Buffer.concat(pieces).toString('utf8'));
  if (model !== null) onModel(model);
}

/** Keeps one piece back, so that the call is settled before the client can know that the answer is complete. */
async function* metered(body: AsyncIterable<Buffer>, book: Book, signal: AbortSignal): AsyncGenerator<Buffer> {
  let kept: Buffer | null = null;
  try {
    for await (const chunk of body) {
      const isLast = book.push(chunk);
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
  if (kept !== null) yield kept;
}

interface Book {
  asked(model: string): void;
  answered(status: number, retryAt: number | null, contentType: string): void;
  /** True when this piece ends the answer; the call is then settled. */
  push(chunk: Uint8Array): boolean;
  streams(): boolean;
  ended(): void;
  broken(): void;
  settle(): void;
}

/** What is known of one call, and its way into the ledger. */
function openBook(deps: ForwardDeps, call: Call): Book {
  const { ledger, clock, log } = deps;
  const id = call.metered ? ledger.openCall(whoOf(call.grant), clock.now(), '') : null;
  let meter: UsageMeter | null = null;
  let model = '';
  let end = { status: 0, retryAt: null as number | null, isBroken: false };
  let isNoted = false;
  let isStream = false;
  let isSettled = id === null;

  function amounts(): Amounts {
    const seen = meter?.seen();
    if (seen === undefined) return noAmounts(model);
    const { inputTokens, cacheWriteTokens, cacheReadTokens, outputTokens } = seen.usage;
    const name = seen.model ?? model;
    const spent = inputTokens + cacheWriteTokens + cacheReadTokens + outputTokens > 0;
    const price = spent ? priceOf(name, seen.usage) : { usd: 0, priceKnown: true };
    return { model: name, inputTokens, cacheWriteTokens, cacheReadTokens, outputTokens, ...price };
  }

  function settle(): void {
    if (isSettled || id === null) return;
    const status = end.isBroken ? 0 : end.status;
    const refused = end.isBroken || status === 0 || status >= 400 ? 'upstream' : null;
    const settlement = ledger.settle(id, { at: clock.now(), status, refused, retryAt: end.retryAt }, amounts());
    isSettled = true; // not before: what a full disk refused is tried once more at the call's end, and at the next start
    if (settlement?.priceKnown === false) log.warn({ model: settlement.model }, 'model is not in the price table');
    log.info({ ...settlement }, 'call settled');
  }

  return {
    asked: (asked) => {
      model = asked;
    },
    answered: (status, retryAt, contentType) => {
      end = { ...end, status, retryAt };
      isStream = contentType.startsWith('text/event-stream');
      meter = createUsageMeter(contentType);
    },
    push: (chunk) => {
      meter?.push(chunk);
      const seen = meter?.seen();
      if (seen?.isFinal) settle();
      else if (!isNoted && id !== null && seen?.model) {
        isNoted = true; // the prompt's tokens are most of a call's price: a killed gateway must find them again
        ledger.noteCall(id, amounts());
      }
      return seen?.isFinal ?? false;
    },
    streams: () => isStream,
    ended: () => {
      meter?.end();
      settle();
    },
    broken: () => {
      end = { ...end, isBroken: true };
      meter?.end();
    },
    settle,
  };
}
