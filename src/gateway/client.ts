import { Agent, request } from 'undici';
import { z } from 'zod';
import { credentialLook, type credentialWish } from '../contract/credentials.ts';
import {
  type CallsOf,
  callsSchema,
  type Figure,
  figureSchema,
  type grantSchema,
  type Health,
  healthSchema,
  type Level,
  type LimitsTold,
  levelSchema,
  limitsSchema,
  type Mirror,
  type nodeBudgetSchema,
  type Said,
  type Settlements,
  type SpentBy,
  saidSchema,
  settlementsSchema,
  spentSchema,
  type Tunnel,
  type TunnelState,
  tunnelStateSchema,
} from '../contract/gateway.ts';
import type { CredentialLook } from '../domain/credential.ts';
import { type ErrorCode, errorCodes, FleetError } from '../lib/errors.ts';

/** The gateway as the daemon sees it. Every call has a deadline; `gateway_unavailable` when nobody answers. */
export interface GatewayClient {
  health(): Promise<Health>;
  /** What a gateway of any version says of itself; null when none answers. */
  look(): Promise<Look | null>;
  /** Resolves when another gateway may take its place. */
  handOver(): Promise<void>;
  putTunnel(vm: string, tunnel: Tunnel): Promise<void>;
  deleteTunnel(vm: string): Promise<void>;
  tunnels(): Promise<TunnelState[]>;
  putMirror(vm: string, mirror: Mirror): Promise<void>;
  deleteMirror(vm: string): Promise<void>;
  putGrant(id: string, grant: z.input<typeof grantSchema>): Promise<void>;
  deleteGrant(id: string): Promise<void>;
  calls(): Promise<CallsOf[]>;
  /** Says where credentials come from; answers how they stand. */
  credentials(wanted: readonly z.input<typeof credentialWish>[]): Promise<CredentialLook[]>;
  putBudgets(budgets: readonly z.input<typeof nodeBudgetSchema>[]): Promise<void>;
  /** These levels of the budget tree as they stand in their present periods. */
  levels(nodes: readonly string[]): Promise<Level[]>;
  spentBy(node: string): Promise<SpentBy>;
  limits(): Promise<LimitsTold>;
  putKeepFree(share: number): Promise<void>;
  deleteLimit(id: string, since: number): Promise<void>;
  /** Its histograms, as prom-client gives them. */
  figures(): Promise<Figure[]>;
  /** What the iteration's agent said through its tools, and what was seen to arrive at it. */
  said(iteration: string): Promise<Said>;
  /** Settlements with a higher seq than `after`, oldest first, and the highest seq there is. */
  settlements(after: number, limit?: number): Promise<Settlements>;
  close(): Promise<void>;
}

const lookSchema = healthSchema.pick({ pid: true }).extend({ version: z.number() });
export type Look = z.infer<typeof lookSchema>;

const deadlineMs = 10_000;
type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';
const doneSchema = z.object({ ok: z.literal(true) });
const failureSchema = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    remedy: z.string().optional(),
    details: z.record(z.string(), z.unknown()).optional(),
  }),
});

export function createGatewayClient(socketPath: string): GatewayClient {
  const agent = new Agent({
    connect: { socketPath, timeout: 5000 },
    headersTimeout: deadlineMs,
    bodyTimeout: deadlineMs,
  });

  async function ask<T>(method: Method, path: string, schema: z.ZodType<T>, body?: unknown): Promise<T> {
    const { status, text } = await send(method, path, body);
    const answer = parseJson(text);
    if (status === 200) {
      const parsed = schema.safeParse(answer);
      if (parsed.success) return parsed.data;
      throw new FleetError('gateway_unavailable', `The gateway's answer to \`${method} ${path}\` was not understood.`, {
        remedy: 'Daemon and gateway may be of different versions: restart both.',
        cause: parsed.error,
      });
    }
    const failure = failureSchema.safeParse(answer).data?.error;
    const message = failure?.message ?? `The gateway answered \`${method} ${path}\` with ${status}.`;
    const code = failure && failure.code in errorCodes ? (failure.code as ErrorCode) : 'gateway_unavailable';
    const remedy = failure?.remedy === undefined ? {} : { remedy: failure.remedy };
    throw new FleetError(code, message, { ...remedy, details: failure?.details ?? {} });
  }

  async function send(method: Method, path: string, body: unknown) {
    try {
      const answer = await request(`http://gateway${path}`, {
        method,
        dispatcher: agent,
        signal: AbortSignal.timeout(deadlineMs),
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      return { status: answer.statusCode, text: await answer.body.text() };
    } catch (cause) {
      throw new FleetError('gateway_unavailable', `The gateway does not answer on \`${socketPath}\`.`, { cause });
    }
  }

  const at = (kind: string, id: string) => `/v1/${kind}/${encodeURIComponent(id)}`;
  return {
    health: () => ask('GET', '/v1/health', healthSchema),
    look: () => ask('GET', '/v1/health', lookSchema).catch(() => null),
    handOver: async () => void (await ask('POST', '/v1/hand-over', doneSchema)),
    putTunnel: async (vm, tunnel) => void (await ask('PUT', at('tunnels', vm), doneSchema, tunnel)),
    deleteTunnel: async (vm) => void (await ask('DELETE', at('tunnels', vm), doneSchema)),
    tunnels: async () => (await ask('GET', '/v1/tunnels', z.object({ tunnels: z.array(tunnelStateSchema) }))).tunnels,
    putMirror: async (vm, mirror) => void (await ask('PUT', at('mirrors', vm), doneSchema, mirror)),
    deleteMirror: async (vm) => void (await ask('DELETE', at('mirrors', vm), doneSchema)),
    putGrant: async (id, grant) => void (await ask('PUT', at('grants', id), doneSchema, grant)),
    deleteGrant: async (id) => void (await ask('DELETE', at('grants', id), doneSchema)),
    calls: async () => (await ask('GET', '/v1/calls', z.object({ calls: z.array(callsSchema) }))).calls,
    credentials: async (credentials) =>
      (await ask('PUT', '/v1/credentials', z.object({ credentials: z.array(credentialLook) }), { credentials }))
        .credentials,
    putBudgets: async (budgets) => void (await ask('PUT', '/v1/budgets', doneSchema, { budgets })),
    levels: async (nodes) => {
      if (nodes.length === 0) return [];
      const query = nodes.map((node) => `node=${encodeURIComponent(node)}`).join('&');
      return (await ask('GET', `/v1/budgets?${query}`, z.object({ levels: z.array(levelSchema) }))).levels;
    },
    spentBy: (node) => ask('GET', `/v1/spent?node=${encodeURIComponent(node)}`, spentSchema),
    limits: () => ask('GET', '/v1/limits', limitsSchema),
    putKeepFree: async (keepFree) => void (await ask('PUT', '/v1/limits', doneSchema, { keepFree })),
    deleteLimit: async (id, since) => void (await ask('DELETE', `${at('limits', id)}?since=${since}`, doneSchema)),
    figures: async () => (await ask('GET', '/v1/figures', z.object({ figures: z.array(figureSchema) }))).figures,
    said: (iteration) => ask('GET', `/v1/signals?iteration=${encodeURIComponent(iteration)}`, saidSchema),
    settlements: (after, limit = 1000) =>
      ask('GET', `/v1/settlements?after=${after}&limit=${limit}`, settlementsSchema),
    close: () => agent.close(),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
