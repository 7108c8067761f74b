import { chmod, rm } from 'node:fs/promises';
import fastify, { type FastifyInstance } from 'fastify';
import { z } from 'zod';
import { credentialWish } from '../contract/credentials.ts';
import {
  type CallsOf,
  gatewayVersion,
  grantSchema,
  type Health,
  mirrorSchema,
  nodeBudgetSchema,
  tunnelSchema,
} from '../contract/gateway.ts';
import type { Clock } from '../lib/clock.ts';
import { asFleetError, type ErrorKind, FleetError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Meters } from '../telemetry/meters.ts';
import type { Api } from './apis.ts';
import type { Gate } from './budget/gate.ts';
import type { Credential } from './credentials/credential.ts';
import type { Predecessors } from './hand-over/predecessors.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { Limits } from './limits/limits.ts';
import type { ModelProxy } from './proxy.ts';
import type { RegistryMirror } from './registry-mirror.ts';
import type { Traces } from './traces/traces.ts';
import type { Tunnels } from './tunnels.ts';

/** The daemon's side of the gateway: `src/contract/gateway.ts` over a unix socket that only this user may open. */
export interface ControlDeps {
  ledger: Ledger;
  gate: Gate;
  limits: Limits;
  tunnels: Tunnels;
  proxy: ModelProxy;
  mirror: RegistryMirror;
  traces: Traces;
  credentials: Readonly<Record<Api['provider'], Credential>>;
  predecessors: Predecessors;
  meters: Pick<Meters, 'figures'>;
  program: string;
  /** Resolves when another gateway may take this one's place. */
  handOver: () => Promise<void>;
  clock: Clock;
  log: Log;
}

export interface Control {
  /** Frees the path; what is being answered still is. */
  stopListening(): void;
  close(): Promise<void>;
}

const name = z.string().regex(/^[\w.:@-]{1,200}$/, 'is not a name');
const pageSchema = z.object({
  after: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(10_000).default(1000),
});
const nodeName = nodeBudgetSchema.shape.node;
const statusOf: Readonly<Record<ErrorKind, number>> = { user: 400, conflict: 409, transient: 503, bug: 500 };

/** The folder must exist and the caller must hold the gateway's lock: what lies at `path` is removed. */
export async function listenControl(deps: ControlDeps, path: string): Promise<Control> {
  const app = fastify({ bodyLimit: 256 * 1024, forceCloseConnections: true });
  let isLeft = false;
  app.addHook('onRequest', async (_request, reply) => {
    if (!isLeft) return;
    reply.header('connection', 'close');
    throw new FleetError('gateway_unavailable', 'This gateway has handed over to another.');
  });
  addRoutes(app, deps);
  app.setErrorHandler((thrown, _request, reply) => {
    const error = thrown instanceof z.ZodError ? invalid(thrown) : fromFramework(thrown);
    if (error.kind === 'bug') deps.log.error({ err: error.message }, 'control request failed');
    const status = error.code === 'not_found' ? 404 : statusOf[error.kind];
    const { code, message, remedy, details } = error;
    return reply.code(status).send({ error: { code, message, remedy, details } });
  });
  await rm(path, { force: true });
  await app.listen({ path });
  await chmod(path, 0o600); // the process's umask already kept others out
  return {
    stopListening: () => {
      isLeft = true;
      app.server.close();
    },
    close: () => app.close(),
  };
}

function addRoutes(app: FastifyInstance, deps: ControlDeps): void {
  const { ledger, gate, limits, tunnels, proxy, mirror, credentials, predecessors, clock } = deps;
  const since = clock.now();
  const done = { ok: true };
  const param = (request: { params: unknown }, key: string) =>
    z.object({ [key]: name }).parse(request.params)[key] ?? '';

  app.get('/v1/health', async (): Promise<Health> => {
    return {
      version: gatewayVersion,
      pid: process.pid,
      program: deps.program,
      since,
      openStreams: proxy.openStreams(),
      leaving: predecessors.list(),
      traces: deps.traces.counts(),
    };
  });
  app.get('/v1/figures', async () => ({ figures: await deps.meters.figures() }));
  app.put('/v1/credentials', async (request) => {
    const { credentials: wanted } = z.object({ credentials: z.array(credentialWish).max(10) }).parse(request.body);
    for (const { provider, source, again } of wanted) credentials[provider].use(source, again);
    const looks = await Promise.all(Object.values(credentials).map((it) => it.look()));
    if (looks.some(({ state }) => state === 'missing')) await proxy.endWithoutCredential();
    return { credentials: looks };
  });
  app.post('/v1/hand-over', async (_request, reply) => {
    await deps.handOver();
    reply.header('connection', 'close');
    return done;
  });
  app.put('/v1/tunnels/:vm', async (request) => {
    const vm = param(request, 'vm');
    const tunnel = tunnelSchema.parse(request.body);
    ledger.putTunnel(vm, tunnel);
    tunnels.put(vm, tunnel);
    return done;
  });
  app.delete('/v1/tunnels/:vm', async (request) => {
    const vm = param(request, 'vm');
    ledger.deleteTunnel(vm);
    tunnels.delete(vm);
    mirror.delete(vm);
    return done;
  });
  app.get('/v1/tunnels', async () => ({ tunnels: tunnels.states() }));
  app.put('/v1/mirrors/:vm', async (request) => {
    await mirror.put(param(request, 'vm'), mirrorSchema.parse(request.body));
    return done;
  });
  app.delete('/v1/mirrors/:vm', async (request) => {
    mirror.delete(param(request, 'vm'));
    return done;
  });
  app.put('/v1/grants/:id', async (request) => {
    ledger.putGrant(param(request, 'id'), grantSchema.parse(request.body));
    return done;
  });
  app.delete('/v1/grants/:id', async (request) => {
    const id = param(request, 'id');
    ledger.endGrant(id, clock.now());
    proxy.endCalls(id);
    predecessors.endCalls(id);
    deps.traces.end(id);
    return done;
  });
  app.get('/v1/calls', async (): Promise<{ calls: CallsOf[] }> => ({ calls: proxy.calls() }));
  app.put('/v1/budgets', async (request) => {
    ledger.putBudgets(z.object({ budgets: z.array(nodeBudgetSchema).max(10_000) }).parse(request.body).budgets);
    gate.changed();
    return done;
  });
  app.get('/v1/budgets', async (request) => {
    const { node } = z.object({ node: z.union([z.array(nodeName).max(1000), nodeName]) }).parse(request.query);
    const levels = ledger.levels([node].flat(), clock.now());
    return { levels: levels.map((level) => ({ ...level, held: gate.heldAt(level.node) })) };
  });
  app.get('/v1/spent', async (request) => {
    return ledger.spentBy(z.object({ node: nodeName }).parse(request.query).node, clock.now());
  });
  app.put('/v1/limits', async (request) => {
    limits.keepFree(z.object({ keepFree: z.number().min(0).lt(1) }).parse(request.body).keepFree);
    return done;
  });
  app.delete('/v1/limits/:id', async (request) => {
    const { since } = z.object({ since: z.coerce.number().int().nonnegative() }).parse(request.query);
    limits.lift(param(request, 'id'), since);
    return done;
  });
  app.get('/v1/limits', async () => {
    const named = Object.entries(credentials) as [Api['provider'], Credential][];
    const keys = await Promise.all(named.map(async ([provider, it]) => ({ provider, taken: await it.take() })));
    // Who reads counts on it: what is told must not be lost.
    await ledger.sync();
    return limits.told(keys.flatMap(({ provider, taken }) => (taken.ok ? [{ provider, key: taken.key }] : [])));
  });
  app.get('/v1/settlements', async (request) => {
    const { after, limit } = pageSchema.parse(request.query);
    return ledger.told(after, limit);
  });
  app.get('/v1/signals', async (request) => {
    return ledger.said(z.object({ iteration: name }).parse(request.query).iteration);
  });
  app.setNotFoundHandler((request) => {
    throw new FleetError('not_found', `The gateway has no \`${request.method} ${request.url.slice(0, 100)}\`.`);
  });
}

function invalid(error: z.ZodError): FleetError {
  const problems = error.issues.map((issue) => `\`${issue.path.join('.')}\` ${issue.message}`);
  return new FleetError('usage', `The request is not valid: ${problems.join('; ')}.`, { details: { problems } });
}

function fromFramework(thrown: unknown): FleetError {
  const status = (thrown as { statusCode?: unknown }).statusCode;
  if (typeof status === 'number' && status < 500) {
    return new FleetError('usage', thrown instanceof Error ? thrown.message : 'The request is not valid.');
  }
  return asFleetError(thrown);
}
