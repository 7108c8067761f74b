import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { CallsOf } from '../contract/gateway.ts';
import type { CredentialLook } from '../domain/credential.ts';
import { iterationMcpPath } from '../domain/signal.ts';
import { agentTelemetryPath } from '../domain/trace.ts';
import { isAbort } from '../lib/errors.ts';
import {
  admit,
  createRefusalBook,
  heldTooLong,
  limited,
  overBudget,
  type Refusal,
  saidOf,
  whoOf,
} from './admission.ts';
import { type Api, apis } from './apis.ts';
import { createArrivals } from './arrivals.ts';
import { BodyTooLarge, createBodies } from './budget/body.ts';
import { readRequest, withOutputLimit } from './budget/request.ts';
import { worstCase } from './budget/worst-case.ts';
import type { Credential, Key } from './credentials/credential.ts';
import { type Call, type ForwardDeps, forward, nameOf } from './forward.ts';
import { type Ledger, nothing, type OpenGrant } from './ledger/ledger.ts';
import type { Who } from './ledger/who.ts';
import type { IterationMcp } from './mcp/iteration-mcp.ts';
import type { PriceList } from './meter/price-file.ts';
import { answerRefusal } from './refusal.ts';
import type { RegistryMirror } from './registry-mirror.ts';
import { traceRefusal } from './traces/call.ts';
import type { Intake } from './traces/intake.ts';

/**
 * The model APIs as guests see them (`apis.ts`). A connection comes with the VM whose tunnel brought it; a request is forwarded
 * only with a grant for that VM and room in every budget it counts at; a setup VM may read package registries
 * (`registry-mirror.ts`), and an agent says how its iteration ends (`mcp/`). Everything else is 404.
 */
export interface ModelProxy {
  /** Serves HTTP on a stream that came out of this VM's tunnel. */
  accept(vm: string, stream: Duplex, lasts?: 'one request'): void;
  openStreams(): number;
  /** Per grant that has called since this gateway began: how many calls are open, and how many there were. */
  calls(): CallsOf[];
  /** Ends the open calls of a grant, or all. */
  endCalls(grant?: string): void;
  /** Ends the open calls of providers whose credential is no more. */
  endWithoutCredential(): Promise<void>;
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
  mcp: IterationMcp;
  intake: Intake;
}

interface OpenCall {
  grant: string;
  /** Null for one of its own tools. */
  provider: Api['provider'] | null;
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
/** A request may be as large as the largest that the providers take. */
const bodyLimits = { maxBytes: 32 * 1024 * 1024, perVmBytes: 48 * 1024 * 1024 };
/** How long the last bytes of answers may be on their way. */
const flushMs = 2_000;

export function createProxy(deps: ProxyDeps): ModelProxy {
  const { gate, clock, log } = deps;
  const vmOf = new Map<Duplex, string>();
  const forOne = new WeakSet<Duplex>();
  const openCalls = new Set<OpenCall>();
  const noteRefusal = createRefusalBook(deps);
  const refusedBefore = new Set<string>();
  const begun = new Map<string, number>();
  const noteArrived = createArrivals(deps.ledger);
  const bodies = createBodies(bodyLimits);
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
    const route = vm === undefined ? null : routeOf(req);
    if (vm === undefined || route === null) {
      const message = `\`${String(req.method).slice(0, 20)}\` of this path is not served here.`;
      return answerRefusal(res, null, { kind: 'not-found', message });
    }
    if (route.kind === 'hello') return void res.writeHead(200, { 'content-length': '0' }).end();
    // No sign of life, and nothing to wait for: what an agent says of itself stands beside its calls.
    if (route.kind === 'telemetry') return deps.intake.serve(vm, route.signal, req, res);
    await serve(vm, route, { req, res, place });
  }

  async function serve(vm: string, route: Granted, { req, res, place }: Asking): Promise<void> {
    const api = route.kind === 'model' ? route.api : null;
    const key = api === null ? null : await deps.credentials[api.provider].take();
    // From here to where the call is known nothing is waited for: no grant ends unseen in between.
    const admission = admit(deps, vm, req.headers);
    if (!admission.ok) return refuse(vm, res, api, admission.refusal);
    begun.set(admission.grant.id, (begun.get(admission.grant.id) ?? 0) + 1);
    if (isDraining) return refuse(vm, res, api, stopping);
    const { grant } = admission;
    if (res.closed) return; // gone while the credential was read
    if (route.kind === 'mcp' || key === null) {
      place.isUp = true;
      return track(grant, null, res, (open) => deps.mcp.serve({ vm, grant, ...open }, req, res));
    }
    if (!key.ok) return refuse(vm, res, api, noCredential(key.look, whoOf(grant)));
    await track(grant, api, res, (open) => follow({ ...route, vm, grant, key, place }, open, req, res));
  }

  /** From here on the call is open: it ends with its client, its grant, or the gateway. */
  async function track(
    grant: OpenGrant,
    api: Api | null,
    res: ServerResponse,
    work: (open: Open) => Promise<void>,
  ): Promise<void> {
    const call: OpenCall = {
      grant: grant.id,
      provider: api?.provider ?? null,
      expiresAt: grant.expiresAt,
      bodyBy: clock.now() + bodyPatienceMs,
      abort: new AbortController(),
    };
    const { signal } = call.abort;
    openCalls.add(call);
    // An ssh channel that is gone answers writes never; only this event tells.
    res.once('close', () => {
      if (!res.writableFinished) call.abort.abort();
    });
    if (openCalls.size === 1) void watchExpiry();
    try {
      await work({
        signal,
        onBody: () => {
          call.bodyBy = Number.POSITIVE_INFINITY;
        },
      });
    } catch (error) {
      if (!isAbort(error) && !signal.aborted) throw error;
      res.destroy();
    } finally {
      openCalls.delete(call);
      if (openCalls.size === 0) onIdle?.();
    }
  }

  async function follow(asked: Asked, open: Open, req: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      const call = await prepare(asked, req, open);
      if ('kind' in call) {
        traceRefusal(deps, asked, call, req);
        return refuse(asked.vm, res, asked.api, call);
      }
      asked.place.isUp = true;
      await forward(deps, { ...call, signal: open.signal }, req, res);
    } catch (error) {
      if (isAbort(error) || open.signal.aborted || (next !== null && !asked.place.isUp)) throw error;
      log.warn({ grant: asked.grant.id, err: nameOf(error) }, 'upstream did not answer');
      answerRefusal(res, asked.api, { kind: 'unreachable', message: 'The gateway could not reach the model API.' });
    }
  }

  /** A stream without an end is ended with its iteration's token, a body that does not come in time. One look at all of them is cheaper than a timer for each. */
  async function watchExpiry(): Promise<void> {
    if (isWatching) return;
    isWatching = true;
    while (openCalls.size > 0) {
      await clock.sleep(lookForExpiredMs);
      for (const call of openCalls) if (Math.min(call.expiresAt, call.bodyBy) <= clock.now()) call.abort.abort();
      void endWithoutCredential(); // a keychain may take its time
    }
    isWatching = false;
  }

  /** One that is expired or refused is left to its provider; one that was taken away ends what goes on with it. */
  async function endWithoutCredential(): Promise<void> {
    const providers = [...openCalls].flatMap((call) => call.provider ?? []);
    for (const provider of new Set(providers)) {
      const key = await deps.credentials[provider].take();
      if (key.ok || key.look.state !== 'missing') continue;
      for (const call of openCalls) if (call.provider === provider) call.abort.abort();
    }
  }

  /** What the call can cost at worst is known and stored before it leaves; or why it does not. */
  async function prepare(
    { vm, grant, api, key, path, isMetered, place }: Asked,
    req: IncomingMessage,
    { signal, onBody }: Open,
  ): Promise<Omit<Call, 'signal'> | Refusal> {
    const turnDown = (status: number) => deps.credentials[api.provider].turnDown(key.fingerprint, status);
    const call = { grant, api, key, turnDown, path };
    const who = whoOf(grant);
    const caller = { provider: api.provider, key: key.key, name: grant.id };
    const limit = await deps.limits.pass(caller, signal);
    if (limit !== null) return limited(who, limit);
    if (!isMetered) return { ...call, metered: null };
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
    const limitOfModel = await deps.limits.pass({ ...caller, model: facts.model }, signal).catch((error: unknown) => {
      release();
      throw error;
    });
    if (limitOfModel !== null) {
      release();
      return limited(who, limitOfModel);
    }
    const { priceKnown, ...need } = worstCase(prices, api.provider, facts);
    const entry = await gate.enter({ who, model: facts.model, priceKnown, need }, signal).catch((error: unknown) => {
      release();
      throw error;
    });
    if (entry.kind !== 'go') {
      release();
      return entry.kind === 'refuse' ? overBudget(who, entry.shortfall) : heldTooLong(who, entry.shortfall);
    }
    const noted = entry.stored.then(() => noteArrived(grant, body.bytes, facts.toolNames));
    await noted.catch((error: unknown) => {
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

  function refuse(vm: string, res: ServerResponse, api: Api | null, refusal: Refusal): void {
    if (refusal.refused !== null) noteRefusal(vm, refusal);
    if (refusal.kind === 'over-budget') refusedBefore.add(refusal.who.grant);
    log.warn({ vm, task: refusal.who.task, kind: refusal.kind, refused: refusal.refused }, 'request refused');
    answerRefusal(res, api, saidOf(refusal, clock.now()));
  }

  return {
    accept: (vm, stream, lasts) => {
      vmOf.set(stream, vm);
      if (lasts === 'one request') forOne.add(stream);
      stream.once('close', () => vmOf.delete(stream));
      server.emit('connection', stream);
    },
    openStreams: () => openCalls.size,
    calls: () =>
      [...begun].map(([grant, count]) => {
        const open = [...openCalls].filter((call) => call.grant === grant).length;
        return { grant, open, begun: count };
      }),
    endCalls: (grant) => {
      if (grant !== undefined) {
        refusedBefore.delete(grant);
        begun.delete(grant);
      }
      for (const call of openCalls) if (grant === undefined || call.grant === grant) call.abort.abort();
    },
    endWithoutCredential,
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

type Granted = { kind: 'mcp' } | { kind: 'model'; api: Api; path: string; isMetered: boolean };
type Route = Granted | { kind: 'hello' } | { kind: 'telemetry'; signal: 'traces' | 'logs' };

/** Null: it is not served. */
function routeOf(req: IncomingMessage): Route | null {
  const [path = '', query = ''] = (req.url ?? '').split('?', 2);
  if (!/^[\w=&.-]*$/.test(query)) return null;
  const asked = `${req.method} ${path}`;
  if (hello.has(asked)) return { kind: 'hello' };
  if (path === iterationMcpPath && query === '') return { kind: 'mcp' };
  if (path === `${agentTelemetryPath}/v1/traces`) return { kind: 'telemetry', signal: 'traces' };
  if (path === `${agentTelemetryPath}/v1/logs`) return { kind: 'telemetry', signal: 'logs' };
  const isMetered = asked !== countTokens;
  const api = apis.get(isMetered ? asked : 'POST /v1/messages');
  return api === undefined ? null : { kind: 'model', api, path: query === '' ? path : `${path}?${query}`, isMetered };
}

interface Asking {
  req: IncomingMessage;
  res: ServerResponse;
  place: Place;
}

interface Open {
  signal: AbortSignal;
  /** Its body is there: it has as long as its grant now. */
  onBody: () => void;
}

interface Asked {
  vm: string;
  grant: OpenGrant;
  api: Api;
  key: Key;
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

/** What is wrong with it is for the host's people: a guest learns that it is, and not where it comes from. */
function noCredential({ provider, state }: CredentialLook, who: Who): Refusal {
  const message = `The host's credential for ${provider} is ${state}; on the host: ralph-fleet credential show`;
  return plain('no-credential', who, message, 'credential');
}
