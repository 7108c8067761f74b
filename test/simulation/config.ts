import type { FleetConfig } from '../../src/domain/fleet.ts';

export const fleetName = 'sim';

export const config: FleetConfig = {
  name: fleetName,
  driver: 'fake',
  wall: 'device',
  image: { builder: 'auto', agents: [], debianMirror: null },
  vms: { count: 'auto', size: { cpus: 1, memoryMiB: 512, diskGiB: 4 }, warm: 1, snapshots: 1 },
  host: { keepFreeDiskGiB: 2, keepFreeMemoryMiB: 1024 },
  keep: { runsDays: 30 },
  roles: { implementer: 2, reviewer: 1 },
  agent: { cli: 'sim', model: null, maxTurns: 10, iterationTimeoutMs: 6 * 3_600_000 },
  budget: { per: 'day', usd: 10, tokens: 1_000_000, calls: 1000, warnAt: 0.8, reviewShare: 0.2 },
  limits: {
    iterationsPerTask: 6,
    uncountedPerTask: 20,
    stagnationAfter: 3,
    reviewsWaiting: 3,
    reviewRounds: 3,
    keepFreeOfUsageWindow: 0.1,
    silenceMs: 120_000,
  },
  credentials: {},
  review: { required: true, allowNonInteractive: true },
  integrate: { mode: 'branch' },
  notify: [],
  upstream: { anthropic: 'http://127.0.0.1:1', openai: 'http://127.0.0.1:1' },
  metrics: null,
  telemetry: { loki: null, otlp: null },
};
