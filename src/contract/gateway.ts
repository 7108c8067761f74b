import { z } from 'zod';
import { budgetPeriods, budgetUnits } from '../domain/budget.ts';
import { refusals } from '../domain/refused.ts';
import { registryKinds } from '../domain/registry.ts';
import { limitCauses, type UsageLimit } from '../domain/usage-limit.ts';

/**
 * What daemon and gateway say to each other over the gateway's unix socket (HTTP, JSON), version 3. The daemon grants; the
 * gateway meters and reports. The gateway goes on without the daemon: grants it has stay valid until they end or expire.
 *
 *   GET    /v1/health                  -> healthSchema
 *   POST   /v1/hand-over               answers when books, lock and sockets are free for the next gateway; what is open goes on
 *                                      (docs/decisions/0015; of any version: only `version` and `pid` of the health are counted on)
 *   PUT    /v1/tunnels/:vm             tunnelSchema: keep a reverse tunnel into this VM (idempotent; reconnects by itself)
 *   DELETE /v1/tunnels/:vm
 *   GET    /v1/tunnels                 -> {tunnels: [{vm, state: connected | connecting | failed, since, error}]}
 *   PUT    /v1/mirrors/:vm             mirrorSchema: this VM may read package registries through its tunnel (a setup VM only;
 *                                      idempotent; kept in memory: a gateway that starts anew refuses until told again)
 *   DELETE /v1/mirrors/:vm             (so does deleting the tunnel)
 *   PUT    /v1/grants/:id              grantSchema: lets one iteration's token spend (idempotent)
 *   DELETE /v1/grants/:id              ends it at once, open streams included
 *   GET    /v1/calls                   -> {calls: callsSchema[]}: which iterations have called a model, since this gateway began
 *   PUT    /v1/budgets                 {budgets: nodeBudgetSchema[]}: limits of levels of the budget tree (idempotent; the
 *                                      others stay); what is held for want of room is looked at again
 *   GET    /v1/budgets?node=N&node=M   -> {levels: levelSchema[]}
 *   GET    /v1/spent?node=N            -> spentSchema: of what a level's present period is made
 *   GET    /v1/limits                  -> limitsSchema: what holds for the credentials there are now, and their usage windows
 *   PUT    /v1/limits                  {keepFree}: the share of each usage window that is left to the person (idempotent)
 *   DELETE /v1/limits/:id?since=T      forgets one that was learned by then, so that a call may try it (idempotent)
 *   PUT    /v1/credentials             {credentials: credentialWish[]} -> {credentials: credentialLook[]}: where each provider's credential
 *                                      comes from (never its value), and how it stands; idempotent
 *   GET    /v1/signals?iteration=ID -> saidSchema: what its agent said through its tools; whole once its grant has ended
 *   GET    /v1/figures                 -> {figures: figureSchema[]}: its histograms, which begin anew with the gateway
 *   GET    /v1/settlements?after=SEQ&limit=N  -> {settlements: settlementSchema[], last: SEQ}   (append only, gap-free)
 */
export const gatewayVersion = 3;

export const healthSchema = z.object({
  version: z.literal(gatewayVersion),
  pid: z.number().int(),
  /** Version of the program. */
  program: z.string(),
  since: z.number(),
  openStreams: z.number().int(),
  /** Gateways before this one that still carry what they had begun. */
  leaving: z.array(z.object({ pid: z.number().int(), openCalls: z.number().int(), vms: z.number().int() })),
  /** Spans and events that went to the receiver of traces, and those that were lost. */
  traces: z
    .object({
      exported: z.number().int(),
      dropped: z.object({ full: z.number().int(), refused: z.number().int(), ended: z.number().int() }),
      /** Iterations whose agent's own figures of its calls were held against the meter's. */
      compared: z.object({ same: z.number().int(), differs: z.number().int() }).default({ same: 0, differs: 0 }),
    })
    .default({ exported: 0, dropped: { full: 0, refused: 0, ended: 0 }, compared: { same: 0, differs: 0 } }),
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
  /** Reviews spend from an allowance of their own. */
  role: z.enum(['implementer', 'reviewer']).default('implementer'),
  expiresAt: z.number(),
  /** What shows that its agent was given what it needs: `saidSchema.arrived`. */
  marks: z
    .object({
      /** Stands in its prompt and nowhere else. */
      prompt: z.string().min(16).max(200),
      /** The name by which its agent CLI offers the model a tool of the gateway's. */
      tool: z.string().min(1).max(200),
    })
    .nullable()
    .default(null),
  /** Its place in the traces, and the base URL of the OTLP receiver they go to; null: it is not traced. */
  trace: z
    .object({
      traceId: z.string().regex(/^[0-9a-f]{32}$/),
      spanId: z.string().regex(/^[0-9a-f]{16}$/),
      otlp: z.url({ protocol: /^https?$/ }),
    })
    .nullable()
    .default(null),
});

/** Signs of life of one grant. The counts begin anew with the gateway: only that they change says something. */
export const callsSchema = z.object({ grant: z.string(), open: z.number().int(), begun: z.number().int() });

const limit = z.number().positive().nullable();

export const nodeBudgetSchema = z.object({
  /** `fleet`, `project:NAME`, `task:ID`, `review:ID`, `ralph:NAME`. */
  node: z.string().regex(/^(fleet|(project|task|review|ralph):[\w.@-]{1,200})$/, 'is no level of the budget tree'),
  per: z.enum(budgetPeriods),
  /** When the present run began; only `per: run` looks at it. */
  runSince: z.number().int().nonnegative().default(0),
  tokens: limit,
  usd: limit,
  calls: limit,
  warnAt: z.number().gt(0).max(1).default(0.8),
});

const amountsSchema = z.object({ tokens: z.number(), usd: z.number(), calls: z.number() });

/** One level as it stands in its present period. */
export const levelSchema = z.object({
  node: z.string(),
  per: z.enum(budgetPeriods),
  since: z.number(),
  /** Null: the period does not end by itself. */
  until: z.number().nullable(),
  limit: z.object({ tokens: limit, usd: limit, calls: limit }),
  settled: amountsSchema,
  /** Worst cases of the calls that are open. */
  reserved: amountsSchema,
  /** Calls that wait for others to end. */
  held: z.number().int(),
});

/** Why a call did not go, or went with less: the level, and what it lacks. */
export const shortfallSchema = z.object({
  node: z.string(),
  unit: z.enum(budgetUnits),
  per: z.enum(budgetPeriods),
  limit: z.number(),
  used: z.number(),
  needed: z.number(),
  until: z.number().nullable(),
});

export const warningSchema = z.object({
  node: z.string(),
  unit: z.enum(budgetUnits),
  per: z.enum(budgetPeriods),
  limit: z.number(),
  used: z.number(),
  until: z.number().nullable(),
});

/**
 * How a call came to its figures: as the provider said; broke off, and the output is the most that can have been delivered;
 * at its worst case, since nothing is known; or nothing, since it never went up or the provider refused it.
 */
export const countedAs = ['said', 'delivered', 'worst', 'nothing'] as const;

/**
 * `unsettled`: left open by a gateway that died. `power-cut`: what the host's last moment may have swallowed. `says-less`, `says-more`: the provider's figures are
 * not believed, or beyond the worst case.
 */
export const settlementFlags = ['unsettled', 'power-cut', 'says-less', 'says-more'] as const;

/** What else a settlement tells. */
export const settlementMore = {
  role: z.enum(['implementer', 'reviewer']).default('implementer'),
  counted: z.enum(countedAs).default('said'),
  flags: z.array(z.enum(settlementFlags)).default([]),
  /** What was reserved for it. */
  worst: z.object({ tokens: z.number(), usd: z.number() }).default({ tokens: 0, usd: 0 }),
  /** The output limit the agent asked for, and the one that went up. */
  lowered: z.object({ from: z.number(), to: z.number() }).nullable().default(null),
  heldMs: z.number().default(0),
  /** For a refusal for a limit. */
  shortfall: shortfallSchema.nullable().default(null),
  /** It went up with a subscription: nobody is billed its dollars. */
  imputed: z.boolean().default(false),
  /** Levels that passed their `warnAt` with this call, once per period. */
  warnings: z.array(warningSchema).default([]),
  /**
   * What of the provider's ended it: `limit`, an HTTP status (`529`), the name of an error (`ECONNREFUSED`). Null for what went
   * well, what the client broke off, and what it asked for wrongly.
   */
  fault: z.string().nullable().default(null),
};

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
  /** HTTP status the upstream gave; 0 when the connection broke; 402, 429 when the gateway refused for a budget, a usage limit. */
  status: z.number().int(),
  refused: z.enum(refusals).nullable(),
  /** For a usage limit or 429: when it resets, ms since the epoch. */
  retryAt: z.number().nullable(),
  /** False when the model is not in the price table and was priced as the dearest known one. */
  priceKnown: z.boolean().optional(),
  ...settlementMore,
});

/** What a level's present period is made of. */
export const spentSchema = z.object({
  node: z.string(),
  rows: z.array(
    z.object({
      model: z.string(),
      counted: z.enum(countedAs),
      flags: z.array(z.enum(settlementFlags)),
      calls: z.number().int(),
      tokens: z.number(),
      cacheReadTokens: z.number(),
      usd: z.number(),
      priceKnown: z.boolean(),
      imputed: z.boolean().default(false),
    }),
  ),
  loweredCalls: z.number().int(),
  heldCalls: z.number().int(),
  heldMs: z.number(),
});

export const limitSchema = z.object({
  id: z.string(),
  provider: z.string(),
  window: z.string(),
  cause: z.enum(limitCauses),
  usedRatio: z.number().nullable(),
  since: z.number(),
  until: z.number(),
}) satisfies z.ZodType<UsageLimit>;

export const limitsSchema = z.object({
  limits: z.array(limitSchema),
  windows: z.array(z.object({ provider: z.string(), window: z.string(), usedRatio: z.number(), until: z.number() })),
});

/** What an agent said through the tools of its iteration, as it came, and what the gateway saw arrive at it. */
export const saidSchema = z.object({
  /** Oldest first. */
  calls: z.array(z.object({ at: z.number(), verb: z.string(), given: z.unknown() })),
  /** How many were refused: wrong form, too many, too much. */
  refused: z.number().int(),
  /** When a call to the model API first held the grant's marks; null: none has. */
  arrived: z.object({ prompt: z.number().nullable(), tools: z.number().nullable() }),
});

/** A metric as prom-client gives it in JSON (`getMetricsAsJSON`). */
export const figureSchema = z.object({
  name: z.string(),
  help: z.string(),
  type: z.literal('histogram'),
  aggregator: z.literal('sum'),
  values: z.array(
    z.object({
      metricName: z.string(),
      value: z.number(),
      labels: z.record(z.string(), z.union([z.string(), z.number()])),
    }),
  ),
});

export const settlementsSchema = z.object({ settlements: z.array(settlementSchema), last: z.number().int() });

export const tunnelStateSchema = z.object({
  vm: z.string(),
  state: z.enum(['connected', 'connecting', 'failed']),
  since: z.number(),
  error: z.string().nullable(),
});

export type CallsOf = z.infer<typeof callsSchema>;
export type Figure = z.infer<typeof figureSchema>;
export type Health = z.infer<typeof healthSchema>;
export type Tunnel = z.infer<typeof tunnelSchema>;
export type Mirror = z.infer<typeof mirrorSchema>;
export type Grant = z.infer<typeof grantSchema>;
export type NodeBudget = z.infer<typeof nodeBudgetSchema>;
export type Said = z.infer<typeof saidSchema>;
export type Level = z.infer<typeof levelSchema>;
export type Shortfall = z.infer<typeof shortfallSchema>;
export type SpentBy = z.infer<typeof spentSchema>;
export type LimitsTold = z.infer<typeof limitsSchema>;
export type Settlement = z.infer<typeof settlementSchema>;
export type Settlements = z.infer<typeof settlementsSchema>;
export type TunnelState = z.infer<typeof tunnelStateSchema>;
