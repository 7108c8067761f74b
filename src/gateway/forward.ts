import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Settlement } from '../contract/gateway.ts';
import { unknownModelFault } from '../domain/outage.ts';
import { shortWaitMs, type UsageLimit } from '../domain/usage-limit.ts';
import type { Clock } from '../lib/clock.ts';
import { isAbort } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { timeCall } from '../telemetry/call-times.ts';
import type { Meters } from '../telemetry/meters.ts';
import { limited, saidOf, whoOf } from './admission.ts';
import type { Api } from './apis.ts';
import type { Gate } from './budget/gate.ts';
import type { Key } from './credentials/credential.ts';
import { exchange } from './exchange.ts';
import { type Headers, knowsNoModel, requestHeaders, responseHeaders, turnsDown, withCredential } from './headers.ts';
import type { Counted, End, OpenGrant } from './ledger/ledger.ts';
import type { Limits } from './limits/limits.ts';
import { countCall, type Reserved } from './meter/counted.ts';
import { createMeter, type Meter } from './meter/meter.ts';
import type { Prices } from './meter/prices.ts';
import { answerRefusal } from './refusal.ts';
import { type CallTrace, traceCall } from './traces/call.ts';
import { type Traces, traceIdOf } from './traces/traces.ts';

export interface Upstream {
  /** Base URL of each provider, without a trailing slash. */
  urls: Readonly<Record<Api['provider'], string>>;
  dispatcher: Dispatcher;
}

export interface ForwardDeps {
  /** In this gateway's books, or in those of the one that took its place. */
  settle: (reservation: number, end: End, counted: Counted) => Settlement | null | Promise<null>;
  gate: Gate;
  limits: Limits;
  upstream: Upstream;
  traces: Traces;
  clock: Clock;
  log: Log;
  meters: Pick<Meters, 'observe'>;
}

/** A request on its way up. */
export interface Call {
  grant: OpenGrant;
  api: Api;
  key: Key;
  /** The provider turned the credential down. */
  turnDown(status: number): void;
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
  const time = timeCall(deps.meters, call.api.provider, deps.clock.now);
  const trace = traceOf(deps, call, req);
  const book = openBook(deps, call, trace);
  const { dispatcher, urls } = deps.upstream;
  try {
    await exchange(
      {
        url: `${urls[call.api.provider]}${call.path}`,
        headers: upHeaders(req, call),
        body: call.metered?.bytes ?? passing(req),
        sent: () => {
          time.sent();
          book.sent();
        },
        answered: (status, headers) => {
          time.answered();
          call.metered?.release();
          const down = downHeaders(status, headers);
          const limit = learnLimit(deps, call, { status, headers });
          book.answered(status, limit, down['content-type'] ?? '');
          if (limit === null || limit.until - deps.clock.now() <= shortWaitMs) return down;
          // Not every agent CLI ends on the provider's own words.
          book.settle();
          answerRefusal(res, call.api, saidOf(limited(whoOf(call.grant), limit), deps.clock.now()));
          return null;
        },
        pass: book.push,
        ended: book.ended,
        waits: book.waits,
      },
      { dispatcher, signal: call.signal },
      res,
    );
  } catch (error) {
    if (!call.signal.aborted) book.broken(error);
    if (!res.headersSent && !call.signal.aborted) throw error;
    if (!isAbort(error)) deps.log.warn({ grant: call.grant.id, err: String(error) }, 'call broke off');
    res.destroy();
  } finally {
    time.ended();
    call.metered?.release();
    book.settle();
    trace?.end();
  }
}

function traceOf(deps: ForwardDeps, { grant, api, metered }: Call, req: IncomingMessage): CallTrace | null {
  if (metered === null || grant.trace === null) return null;
  const server = new URL(deps.upstream.urls[api.provider]).hostname;
  const { reserved, reservation } = metered;
  return traceCall(deps, { grant, provider: api.provider, model: reserved.model, reservation, server }, req);
}

/** What the answer says of limits; those of the credential it was asked with. */
function learnLimit(
  { limits }: ForwardDeps,
  { api, key, grant, metered }: Call,
  { status, headers }: { status: number; headers: IncomingMessage['headers'] },
): UsageLimit | null {
  const caller = { provider: api.provider, key: key.key, name: grant.id };
  return limits.learn(metered === null ? caller : { ...caller, model: metered.reserved.model }, status, headers);
}

function faultOf(status: number, limit: UsageLimit | null, now: number): string | null {
  if (limit !== null && limit.until - now > shortWaitMs) return 'limit';
  return status === 429 || status >= 500 ? String(status) : null;
}

/** What broke a connection, in one word. */
export function nameOf(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown';
}

function upHeaders(req: IncomingMessage, { key, api, metered: it }: Call): Headers {
  const headers: Headers = { ...requestHeaders(req.headers), 'accept-encoding': 'identity' };
  if (it !== null) headers['content-length'] = String(it.bytes.length);
  return withCredential(headers, api.provider, key);
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

const maxSaid = 4096;

interface Book {
  sent(): void;
  answered(status: number, limit: UsageLimit | null, contentType: string): void;
  /**
   * What may go down now. The call is settled before the client can know that the answer is complete: with the last piece of a
   * stream, or with the end; so one piece of any other answer is kept back.
   */
  push(chunk: Buffer): Buffer | null;
  ended(): Buffer | null;
  broken(error: unknown): void;
  settle(): void;
  /** Until the settlement is in the books, where those are another gateway's. */
  waits(): Promise<null> | null;
}

/** What is known of one call, and its way into the ledger. */
function openBook(
  { settle: enter, gate, clock, log }: ForwardDeps,
  { api, key, turnDown, metered: call, grant }: Call,
  trace: CallTrace | null,
): Book {
  let meter: Meter | null = null;
  const end = {
    status: 0,
    limit: null as UsageLimit | null,
    fault: null as string | null,
    isBroken: false,
    isSent: false,
  };
  /** What an answer that may turn the credential or the model down says. */
  let said = '';
  let isStream = false;
  let isSettled = call === null;
  let onItsWay: Promise<null> | null = null;
  let kept: Buffer | null = null;

  function settle(): void {
    const isTurnedDown = turnsDown(end.status, said);
    if (isTurnedDown) turnDown(end.status);
    if (isSettled || call === null) return;
    const counted = countCall(call.reserved, { ...end, seen: meter?.seen() ?? null }, call.prices);
    const status = end.isBroken ? 0 : end.status;
    const isFailed = end.isBroken || status === 0 || status >= 400;
    const refused = isTurnedDown ? 'credential' : isFailed ? 'upstream' : null;
    const counting = key.isSubscription ? { ...counted, imputed: true } : counted;
    const fault = knowsNoModel(end.status, said) ? unknownModelFault : end.fault;
    const retryAt = end.limit?.until ?? null;
    trace?.settled({ status, refused, fault }, counting);
    const entered = enter(call.reservation, { at: clock.now(), status, refused, retryAt, fault }, counting);
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
    log.info({ ...settlement, ...traceIdOf(grant) }, 'call settled');
  }

  return {
    sent: () => {
      end.isSent = true;
    },
    answered: (status, limit, contentType) => {
      Object.assign(end, { status, limit, fault: faultOf(status, limit, clock.now()) });
      isStream = contentType.startsWith('text/event-stream');
      meter = createMeter(api.dialect, contentType);
    },
    push: (chunk) => {
      trace?.firstByte();
      if (end.status >= 400 && said.length < maxSaid) said += chunk.toString('latin1').slice(0, maxSaid);
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
    broken: (error) => {
      end.isBroken = true;
      end.fault = nameOf(error);
      meter?.end();
    },
    settle,
    waits: () => onItsWay,
  };
}
