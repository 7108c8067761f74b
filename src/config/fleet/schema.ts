import { z } from 'zod';
import { defaultMetricsListen, parseListen } from '../../domain/listen.ts';
import { isSafeUpstream } from '../../domain/upstream.ts';

/**
 * fleet.yaml as a person writes it (formats.md). Every key but `version` has a safe default; 0 never means "unlimited". Keys that this version reads but does not act on yet are listed in `withoutEffect` and warned about.
 */
const positive = z.int().positive();
const many = z.int().positive().max(10_000);

const size = {
  cpus: z.int().positive().max(256).default(2).describe('Virtual processors of each VM'),
  memoryMiB: z.int().min(512).max(1_048_576).default(4096).describe('Memory of each VM'),
  diskGiB: z.int().min(4).max(4096).default(30).describe('Largest size a VM’s disk may grow to'),
};

const variable = z
  .string()
  .max(200)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable')
  .optional();
const absolute = z.string().max(1000).regex(/^\//, 'an absolute path').optional();
const word = z
  .string()
  .max(200)
  .regex(/^[^\s-][^\p{Cc}]*$/u, 'one line that does not begin with -')
  .optional();

const credential = z.discriminatedUnion('from', [
  z.strictObject({ from: z.literal('env'), name: variable }),
  z.strictObject({ from: z.literal('file'), path: absolute.describe('Left out: the file `credential set` writes') }),
  z.strictObject({ from: z.literal('keychain'), service: word, account: word }),
  z.strictObject({ from: z.literal('setup-token'), name: variable }),
  z.strictObject({ from: z.literal('claude-login'), path: absolute }),
]);

const channel = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('terminal') }),
  z.strictObject({ kind: z.literal('desktop') }),
  z.strictObject({ kind: z.literal('webhook'), url: z.url({ protocol: /^https?$/ }) }),
]);

const receiver = z
  .url({ protocol: /^https?$/ })
  .max(1000)
  .refine((text) => !/[?#@]/.test(text), 'an address without user, password, query and fragment');

export const fleetFile = z.strictObject({
  version: z.literal(1).describe('Version of this format'),
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,30}$/, 'lower-case letters, digits and -')
    .default('main'),
  driver: z.string().min(1).max(40).default('auto').describe('auto, libvirt, lima, …; never silently weaker than a VM'),
  wall: z.enum(['device', 'process', 'guest']).default('device').describe('The weakest wall allowed'),
  image: z
    .strictObject({
      builder: z.enum(['auto', 'nix', 'debian']).default('auto'),
      agents: z.array(z.string().min(1).max(40)).max(20).default(['claude']),
      debianMirror: z
        .url({ protocol: /^https?$/ })
        .nullable()
        .default(null),
    })
    .prefault({}),
  vms: z
    .strictObject({
      count: z
        .union([many, z.literal('auto')])
        .default('auto')
        .describe('Upper limit; auto: what the host allows'),
      ralphsPerVm: z.int().positive().max(64).default(1),
      ...size,
      warm: z.int().nonnegative().max(100).default(1).describe('Booted VMs kept waiting'),
      snapshots: z
        .int()
        .nonnegative()
        .max(100)
        .default(2)
        .describe('Snapshots kept of each task’s VM, one after each iteration; 0 takes none'),
    })
    .prefault({}),
  host: z
    .strictObject({
      keepFreeDiskGiB: z
        .number()
        .min(0.01)
        .max(4096)
        .default(2)
        .describe('VMs are frozen before the disk has less free; a quarter is kept as ballast to save work'),
      keepFreeMemoryMiB: z.int().min(64).max(1_048_576).default(1024).describe('Memory left to all else on this host'),
    })
    .prefault({}),
  keep: z
    .strictObject({
      runsDays: z
        .number()
        .min(1)
        .max(36_500)
        .default(30)
        .describe('`gc` leaves what agents said and did for so long after their task ended'),
    })
    .prefault({}),
  roles: z
    .strictObject({ implementer: many.default(3), reviewer: z.int().nonnegative().max(10_000).default(1) })
    .prefault({}),
  agent: z
    .strictObject({
      cli: z.string().min(1).max(40).default('claude'),
      model: z.string().min(1).max(200).default('default'),
      maxTurns: many.default(50),
      iterationTimeoutMinutes: z.number().positive().max(1440).default(30),
    })
    .prefault({}),
  budget: z
    .strictObject({
      per: z.enum(['run', 'day', 'month', 'total']).default('day'),
      usd: z.number().positive().default(20),
      tokens: positive.default(5_000_000),
      calls: positive.default(5000),
      warnAt: z.number().gt(0).max(1).default(0.8).describe('Share of a limit at which you are told'),
      reviewShare: z
        .number()
        .gt(0)
        .max(10)
        .default(0.2)
        .describe('What reviews of a task may spend, as a share of the task’s limits'),
    })
    .prefault({}),
  limits: z
    .strictObject({
      iterationsPerTask: many.default(10),
      uncountedPerTask: many.default(20),
      stagnationAfter: many.default(3),
      reviewsWaiting: many.default(5),
      reviewRounds: many.default(3),
      silenceMinutes: z
        .number()
        .min(1)
        .max(1440)
        .default(12)
        .describe('An iteration without output and model calls for so long is stopped'),
      stackDepth: many.default(3),
      keepFreeOfUsageWindow: z
        .number()
        .min(0)
        .lt(1)
        .default(0.1)
        .describe('Share of a subscription’s usage windows that is left to you; 0: none'),
    })
    .prefault({}),
  egress: z.strictObject({ allow: z.array(z.string()).default([]) }).prefault({}),
  credentials: z.record(z.string().regex(/^[a-z]+$/), credential).default({ anthropic: { from: 'env' } }),
  review: z
    .strictObject({ required: z.boolean().default(true), allowNonInteractive: z.boolean().default(false) })
    .prefault({}),
  integrate: z.strictObject({ mode: z.enum(['branch', 'pr']).default('branch') }).prefault({}),
  notify: z
    .array(channel)
    .max(20)
    .default([{ kind: 'terminal' }, { kind: 'desktop' }]),
  metrics: z
    .strictObject({
      listen: z
        .string()
        .refine(
          (text) => parseListen(text) !== null,
          'an address of this machine alone and a port, like 127.0.0.1:9464',
        )
        .default(defaultMetricsListen)
        .describe('Where Prometheus finds the metrics'),
    })
    .nullable()
    .default(null)
    .describe('Figures for Prometheus (docs/metrics.md); null: nobody listens'),
  telemetry: z
    .strictObject({
      loki: z.strictObject({ url: receiver.describe('Base URL of Loki; logs go there (docs/logs.md)') }).optional(),
      otlp: z.strictObject({ url: receiver.describe('Base URL; /v1/traces and /v1/logs are added') }).optional(),
    })
    .optional(),
  upstream: z
    .strictObject({
      anthropic: z
        .url()
        .refine(isSafeUpstream, 'an `https:` address, or `http:` on this machine')
        .default('https://api.anthropic.com'),
      openai: z
        .url()
        .refine(isSafeUpstream, 'an `https:` address, or `http:` on this machine')
        .default('https://api.openai.com'),
    })
    .prefault({}),
});

export type FleetFile = z.output<typeof fleetFile>;

/** A key that is checked but changes nothing yet, or not all it says; a person who sets one is told. */
export interface WithoutEffect {
  path: readonly string[];
  /** For which values; default: all but an empty list. */
  when?: (value: unknown) => boolean;
  /** What happens instead. */
  instead: string | null;
}

export const withoutEffect: readonly WithoutEffect[] = [
  { path: ['vms', 'ralphsPerVm'], when: (value) => value !== 1, instead: 'each VM has one Ralph' },
  { path: ['limits', 'stackDepth'], instead: null },
  { path: ['egress', 'allow'], instead: 'a guest reaches the model’s API and nothing else' },
  {
    path: ['integrate', 'mode'],
    when: (value) => value === 'pr',
    instead: 'no pull request is made; a change you approve goes onto the project’s branch',
  },
];
