import { z } from 'zod';
import { providers } from '../domain/credential.ts';
import type { FleetConfig } from '../domain/fleet.ts';
import { credentialSource } from './credentials.ts';

/** fleet.yaml after defaults, on the wire. The file's own form, with its comments and defaults, is in src/config. */
const positive = z.number().int().positive();

export const fleetConfig = z.strictObject({
  name: z.string(),
  driver: z.string(),
  wall: z.enum(['device', 'process', 'guest']),
  image: z.strictObject({
    builder: z.enum(['auto', 'nix', 'debian']),
    agents: z.array(z.string()),
    debianMirror: z.string().nullable(),
  }),
  vms: z.strictObject({
    count: z.union([positive, z.literal('auto')]),
    size: z.strictObject({ cpus: positive, memoryMiB: positive, diskGiB: positive }),
    warm: z.number().int().nonnegative(),
    snapshots: z.number().int().nonnegative().default(2),
  }),
  host: z
    .strictObject({ keepFreeDiskGiB: z.number().positive(), keepFreeMemoryMiB: positive })
    .default({ keepFreeDiskGiB: 2, keepFreeMemoryMiB: 1024 }),
  keep: z.strictObject({ runsDays: z.number().positive() }).default({ runsDays: 30 }),
  roles: z.strictObject({ implementer: positive, reviewer: z.number().int().nonnegative() }),
  agent: z.strictObject({
    cli: z.string(),
    model: z.string().nullable(),
    maxTurns: positive,
    iterationTimeoutMs: positive,
  }),
  budget: z.strictObject({
    per: z.enum(['run', 'day', 'month', 'total']),
    usd: z.number().positive(),
    tokens: positive,
    calls: positive,
    warnAt: z.number().gt(0).max(1),
    reviewShare: z.number().positive().default(0.2),
  }),
  limits: z.strictObject({
    iterationsPerTask: positive,
    uncountedPerTask: positive,
    stagnationAfter: positive,
    reviewsWaiting: positive,
    reviewRounds: positive,
    keepFreeOfUsageWindow: z.number().min(0).lt(1).default(0.1),
    silenceMs: positive.default(720_000),
  }),
  credentials: z.partialRecord(z.enum(providers), credentialSource),
  review: z.strictObject({ required: z.boolean(), allowNonInteractive: z.boolean() }),
  integrate: z.strictObject({ mode: z.enum(['branch', 'pr']) }),
  notify: z.array(
    z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('terminal') }),
      z.strictObject({ kind: z.literal('desktop') }),
      z.strictObject({ kind: z.literal('webhook'), url: z.string() }),
    ]),
  ),
  upstream: z.strictObject({ anthropic: z.string(), openai: z.string().default('https://api.openai.com') }),
  metrics: z.strictObject({ listen: z.string() }).nullable().default(null),
  telemetry: z
    .strictObject({ loki: z.string().nullable().default(null), otlp: z.string().nullable().default(null) })
    .default({ loki: null, otlp: null }),
}) satisfies z.ZodType<FleetConfig>;
