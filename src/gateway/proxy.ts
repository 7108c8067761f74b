import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { isAbort } from '../lib/errors.ts';
import { admit, createRefusalBook, heldTooLong, overBudget, type Refusal, whoOf } from './admission.ts';
import { type Api, apis } from './apis.ts';
import { BodyTooLarge, createBodies } from './budget/body.ts';
import { readRequest, withOutputLimit } from './budget/request.ts';
import { worstCase } from './budget/worst-case.ts';
import type { Credential } from './credentials.ts';
import { type Call, type ForwardDeps, forward } from './forward.ts';
import { type Ledger, nothing, type OpenGrant } from './ledger/ledger.ts';
import type { Who } from './ledger/who.ts';
import type { PriceList } from './meter/price-file.ts';
import { answerRefusal } from './refusal.ts';
import type { RegistryMirror } from './registry-mirror.ts';

/**
 * The model APIs as guests see them (`apis.ts`). A connection comes with the VM whose tunnel brought it; a request is forwarded
 * only with a grant for that VM and room in every budget it counts at; a setup VM may read package registries
 * (`registry-mirror.ts`). Everything else is 404.
 */
export interface ModelProxy {
  /** Serves HTTP on a stream that came out of this VM's tunnel. */
  accept(vm: string, stream: Duplex, lasts?: 'one request'): void;
  openStreams(): number;
  /** Ends the open calls of a grant, or all. */
  endCalls(grant?: string): void;
  /** From now on requests that have not gone up yet, and new ones, are the next gateway's. */
  leave(next: PassOn): void;
  /** Refuses new requests from now on; resolves when the open ones are over, or were ended at the deadline. */
  drain(deadlineMs: number): Promise<void>;
}

/** `bytes`: its body, when it was read already. */
export type PassOn = (vm: string, req: IncomingMessage, res: ServerResponse, bytes: Buffer | null) => Promise<void>;

export interface ProxyDeps extends ForwardDeps {
  ledger: Ledger;
  credentials: Readonly<Record<Api['provider'], Credential>>;
  prices: PriceList;
  mirror: RegistryMirror;
}

interface OpenCall {
  grant: string;
  expiresAt: number;
  /** Until when its body must be there. */
  bodyBy: number;
  abort: AbortController;
}

const countTokens = 'POST /v1/messages/count_tokens';
const hello = new Set(['HEAD /api/hello', 'GET /api/hello']);
const nobody: Who = { grant: '', project: '', task: '', ralph: '', iteration: '', role: 'implementer' };
const lookForExpiredMs = 2_000;
const bodyPatienceMs = 120_000;
/** How long the last bytes of answers may be on their way. */
const flushMs = 2_000;

export function createProxy(deps: ProxyDeps): ModelProxy {
  const { gate, clock, log } = deps;
  const vmOf = new Map<Duplex, string>();
  const forOne = new WeakSet<Duplex>();
  const openCalls = new Set<OpenCall>();
  const noteRefusal = createRefusalBook(deps);
  const refusedBefore = new Set<string>();
  const bodies = createBodies();
  let isDraining = false;
  let next: PassOn | null = null;
  let isWatching = false;
  let onIdle: (() => void) | null = null;
  const server = createServer({ maxHeaderSize: 32 * 1024, requestTimeout: 0 }, (req, res) => {
    const place: Place = { bytes: null, isUp: false };
    if (forOne.has(req.socket)) res.shouldKeepAlive = false;
    void handle(req, res, place).catch((error: unknown) => {
      const vm = vmOf.get(req.socket);
      // The books went to the next gateway while this one was about to look into them.
      if (next !== null && vm !== undefined && !place.isUp && !res.headersSent) return next(vm, req, res, place.bytes);
      log.error({ err: String(error) }, 'request failed');
      res.destroy();
    });
  });
  server.on('clientError', (_error, stream) => stream.destroy());

  async function handle(req: IncomingMessage, res: ServerResponse, place: Place): Promise<void> {
    const vm = vmOf.get(req.socket);
    if (vm !== undefined && next !== null) return next(vm, req, res, null);
    if (vm !== undefined && (await deps.mirror.serve(vm, req, res))) return;
    const [path = '', query = ''] = (req.url ?? '').split('?', 2);
    const asked = `${req.method} ${path}`;
    const isCount = asked === countTokens;
    const api = apis.get(isCount ? 'POST /v1/messages' : asked);
    const isFine = /^[\w=&.-]*$/.test(query);
    if (vm !== undefined && isFine && hello.has(asked)) return void res.writeHead(200, { 'content-length': '0' }).end();
    if (vm === undefined || api === undefined || !isFine) {
      const message = `\`${String(req.method).slice(0, 20)}\` of this path is not served here.`;
      return answerRefusal(res, null, 'not-found', message);
    }
    const admission = admit(deps, vm, req.headers);
    if (!admission.ok) return refuse(vm, res, api, admission.refusal);
    if (isDraining) return refuse(vm, res, api, stopping);
    const who = whoOf(admission.grant);
    const key = await deps.credentials[api.provider].read();
    if (key === null) return refuse(vm, res, api, noCredential(api, who));
    if (res.closed) return; // gone while the credential was read
    const full = query === '' ? path : `${path}?${query}`;
    await follow({ vm, grant: admission.grant, api, key, path: full, isMetered: !isCount, place }, req, res);
  }

  /** From here on the call is open: it ends with its client, its grant, or the gateway. */
  async function follow(asked: Asked, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const open: OpenCall = {
      grant: asked.grant.id,
      expiresAt: asked.grant.expiresAt,
      bodyBy: clock.now() + bodyPatienceMs,
      abort: new AbortController(),
    };
    const { signal } = open.abort;
    openCalls.add(open);
    // An ssh channel that is gone answers writes never; only this event tells.
    res.once('close', () => {
      if (!res.writableFinished) open.abort.abort();
    });
    if (openCalls.size === 1) void watchExpiry();
    try {
      const call = await prepare(asked, req, signal, () => {
        open.bodyBy = Number.POSITIVE_INFINITY;
      });
      if ('kind' in call) return refuse(asked.vm, res, asked.api, call);
      asked.place.isUp = true;
      await forward(deps, { ...call, signal }, req, res);
    } catch (error) {
      if (isAbort(error) || signal.aborted) return void res.destroy();
      if (next !== null && !asked.place.isUp) throw error;
      log.warn({ grant: asked.grant.id, err: describe(error) }, 'upstream did not answer');
      answerRefusal(res, asked.api, 'unreachable', 'The gateway could not reach the model API.');
    } finally {
      openCalls.delete(open);
      if (openCalls.size === 0) onIdle?.();
    }
  }

  /** A stream without an end is ended with its iteration's token, a body that does not come in time. One look at all of them is cheaper than a timer for each. */
  async function watchExpiry(): Promise<void> {
    if (isWatching) return;
    isWatching = true;
    while (openCalls.size > 0) {
      await clock.sleep(lookForExpiredMs);
      for (const call of openCalls) if (Math.min(call.expiresAt, call.bodyBy) <= clock.now()) call.abort.abort();
    }
    isWatching = false;
  }

  /** What the call can cost at worst is known and stored before it leaves; or why it does not. */
  async function prepare(
    { vm, grant, api, key, path, isMetered, place }: Asked,
    req: IncomingMessage,
    signal: AbortSignal,
    onBody: () => void,
  ): Promise<Omit<Call, 'signal'> | Refusal> {
    const call = { grant, api, key, path };
    if (!isMetered) return { ...call, metered: null };
    const who = whoOf(grant);
    // Who was refused a moment ago most likely is again; a loop of requests shall cost next to nothing.
    const shut = refusedBefore.has(grant.id) ? gate.isShut(who) : null;
    if (shut !== null) return overBudget(who, shut);
    refusedBefore.delete(grant.id);
    const prices = await deps.prices.current();
    const body = await bodies.read(vm, req, signal).catch((error: unknown) => {
      if (error instanceof BodyTooLarge) return plain('too-large', who, error.message);
      throw error;
    });
    if ('kind' in body) return body;
    onBody();
    place.bytes = body.bytes;
    const read = readRequest(api, body.bytes);
    const release = body.release;
    if (!read.ok) {
      release();
      return plain('invalid', who, read.why);
    }
    const { facts } = read;
    const { priceKnown, ...need } = worstCase(prices, api.provider, facts);
    const entry = await gate.enter({ who, model: facts.model, priceKnown, need }, signal).catch((error: unknown) => {
      release();
      throw error;
    });
    if (entry.kind !== 'go') {
      release();
      return entry.kind === 'refuse' ? overBudget(who, entry.shortfall) : heldTooLong(who, entry.shortfall);
    }
    await entry.stored.catch((error: unknown) => {
      release();
      const end = { at: clock.now(), status: 0, refused: 'upstream', retryAt: null } as const;
      void deps.settle(entry.id, end, nothing(facts.model));
      throw error;
    });
    const { outputTokens } = entry;
    const isLowered = outputTokens < need.outputTokens;
    const bytes = isLowered ? withOutputLimit(api, body.bytes, facts, outputTokens) : body.bytes;
    const { provider } = api;
    const reserved = {
      provider,
      model: facts.model,
      priceKnown,
      inputTokens: need.inputTokens,
      outputTokens,
      usd: entry.worst.usd,
    };
    return { ...call, metered: { bytes, reservation: entry.id, reserved, prices, release } };
  }

  function refuse(vm: string, res: ServerResponse, api: Api, refusal: Refusal): void {
    if (refusal.refused !== null) noteRefusal(vm, refusal);
    if (refusal.kind === 'over-budget') refusedBefore.add(refusal.who.grant);
    log.warn({ vm, task: refusal.who.task, kind: refusal.kind, refused: refusal.refused }, 'request refused');
    answerRefusal(res, api, refusal.kind, refusal.message);
  }

  return {
    accept: (vm, stream, lasts) => {
      vmOf.set(stream, vm);
      if (lasts === 'one request') forOne.add(stream);
      stream.once('close', () => vmOf.delete(stream));
      server.emit('connection', stream);
    },
    openStreams: () => openCalls.size,
    endCalls: (grant) => {
      if (grant !== undefined) refusedBefore.delete(grant);
      for (const call of openCalls) if (grant === undefined || call.grant === grant) call.abort.abort();
    },
    leave: (to) => {
      next = to;
    },
    drain: async (deadlineMs) => {
      isDraining = true;
      const over = new AbortController();
      const idle = new Promise<void>((resolve) => {
        onIdle = resolve;
        if (openCalls.size === 0) resolve();
      });
      await Promise.race([idle, clock.sleep(deadlineMs, over.signal).catch(() => {})]);
      over.abort();
      for (const call of openCalls) call.abort.abort();
      await idle;
      // An answer is over for us before the guest has its last bytes: sshd drops what it holds when the connection ends.
      const closed = [...vmOf.keys()].map((stream) => once(stream.end(), 'close'));
      await Promise.race([Promise.allSettled(closed), clock.sleep(flushMs)]);
    },
  };
}

interface Asked {
  vm: string;
  grant: OpenGrant;
  api: Api;
  key: string;
  path: string;
  isMetered: boolean;
  place: Place;
}

/** How far a request has come. */
interface Place {
  bytes: Buffer | null;
  /** It is forwarded, or what it is to be answered is known. */
  isUp: boolean;
}

function plain(kind: Refusal['kind'], who: Who, message: string, refused: Refusal['refused'] = null): Refusal {
  return { kind, message, refused, shortfall: null, who };
}

const stopping = plain('stopping', nobody, 'The gateway is stopping; ask again.');

function noCredential(api: Api, who: Who): Refusal {
  const name = `${api.provider.toUpperCase()}_API_KEY`;
  const message = `The host has no credential for the model API. Set ${name} there and start the gateway again.`;
  return plain('no-credential', who, message, 'upstream');
}

function describe(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown';
}
