import { z } from 'zod';
import { registryKinds } from '../domain/registry.ts';

/**
 * What daemon and gateway say to each other over the gateway's unix socket (HTTP, JSON), version 1. The daemon grants; the
 * gateway meters and reports. The gateway goes on without the daemon: grants it has stay valid until they end or expire.
 *
 *   GET    /v1/health                  -> healthSchema
 *   PUT    /v1/tunnels/:vm             tunnelSchema: keep a reverse tunnel into this VM (idempotent; reconnects by itself)
 *   DELETE /v1/tunnels/:vm
 *   GET    /v1/tunnels                 -> {tunnels: [{vm, state: connected | connecting | failed, since, error}]}
 *   PUT    /v1/mirrors/:vm             mirrorSchema: this VM may read package registries through its tunnel (a setup VM only;
 *                                      idempotent; kept in memory: a gateway that starts anew refuses until told again)
 *   DELETE /v1/mirrors/:vm             (so does deleting the tunnel)
 *   PUT    /v1/grants/:id              grantSchema: lets one iteration's token spend (idempotent)
 *   DELETE /v1/grants/:id              ends it at once, open streams included
 *   PUT    /v1/limits/:task            taskLimitSchema: the task's plain token and USD limit
 *   GET    /v1/settlements?after=SEQ&limit=N  -> {settlements: settlementSchema[], last: SEQ}   (append only, gap-free)
 *   GET    /v1/spend?task=T            -> spendSchema
 */
export const gatewayVersion = 1;

export const healthSchema = z.object({
  version: z.literal(gatewayVersion),
  pid: z.number().int(),
  since: z.number(),
  openStreams: z.number().int(),
  /** Whether a credential for the upstream is there; never the credential. */
  credential: z.enum(['present', 'missing']),
});

export const tunnelSchema = z.object({
  endpoint: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('unix'), path: z.string() }),
    z.object({ kind: z.literal('tcp'), host: z.literal('127.0.0.1'), port: z.number().int() }),
  ]),
  hostKey: z.string().startsWith('ssh-ed25519 '),
  /** Path of the private key on the host; the key itself never travels. */
  privateKeyFile: z.string(),
});

export const mirrorSchema = z.object({
  registries: z
    .array(
      z.object({
        kind: z.enum(registryKinds),
        /** The host's own registry, by the host's own configuration. */
        url: z.url({ protocol: /^https?$/ }),
        /** Certificates to trust beside the system's: path of a PEM file on the host. */
        caFile: z.string().nullable(),
      }),
    )
    .max(registryKinds.length),
  expiresAt: z.number(),
});

export const grantSchema = z.object({
  /** sha256 of the token in hexadecimal: the gateway never stores the token itself. */
  tokenHash: z.string().regex(/^[0-9a-f]{64}$/),
  vm: z.string(),
  project: z.string(),
  task: z.string(),
  ralph: z.string(),
  iteration: z.string(),
  expiresAt: z.number(),
});

export const taskLimitSchema = z.object({
  maxTokens: z.number().int().positive().nullable(),
  maxUsd: z.number().positive().nullable(),
  maxCalls: z.number().int().positive().nullable().default(null),
});

export const settlementSchema = z.object({
  seq: z.number().int(),
  at: z.number(),
  grant: z.string(),
  project: z.string(),
  task: z.string(),
  ralph: z.string(),
  iteration: z.string(),
  model: z.string(),
  inputTokens: z.number().int(),
  cacheWriteTokens: z.number().int(),
  cacheReadTokens: z.number().int(),
  outputTokens: z.number().int(),
  usd: z.number(),
  /** HTTP status the upstream gave; 0 when the connection broke; 402 when the gateway refused for a limit. */
  status: z.number().int(),
  refused: z.enum(['tokens', 'usd', 'calls', 'token-unknown', 'token-expired', 'upstream']).nullable(),
  /** For a usage limit or 429: when it resets, ms since the epoch. */
  retryAt: z.number().nullable(),
  /** False when the model is not in the price table and was priced as the dearest known one. */
  priceKnown: z.boolean().optional(),
});

export const settlementsSchema = z.object({ settlements: z.array(settlementSchema), last: z.number().int() });

export const tunnelStateSchema = z.object({
  vm: z.string(),
  state: z.enum(['connected', 'connecting', 'failed']),
  since: z.number(),
  error: z.string().nullable(),
});

export const spendSchema = z.object({ tokens: z.number(), usd: z.number(), calls: z.number() });

export type Health = z.infer<typeof healthSchema>;
export type Tunnel = z.infer<typeof tunnelSchema>;
export type Mirror = z.infer<typeof mirrorSchema>;
export type Grant = z.infer<typeof grantSchema>;
export type TaskLimit = z.infer<typeof taskLimitSchema>;
export type Settlement = z.infer<typeof settlementSchema>;
export type Settlements = z.infer<typeof settlementsSchema>;
export type TunnelState = z.infer<typeof tunnelStateSchema>;
export type Spend = z.infer<typeof spendSchema>;
