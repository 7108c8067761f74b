import type { FleetBudget } from './budget.ts';
import type { CredentialSource, Provider } from './credential.ts';
import type { KeptFree } from './host.ts';
import type { VmSize } from './vm.ts';

export type Wall = 'device' | 'process' | 'guest';

/** fleet.yaml after defaults: what the whole fleet is asked to be. */
export interface FleetConfig {
  name: string;
  driver: string;
  wall: Wall;
  image: { builder: 'auto' | 'nix' | 'debian'; agents: string[]; debianMirror: string | null };
  /** `snapshots`: how many of a task's VM are kept, one after each iteration; 0 takes none. */
  vms: { count: number | 'auto'; size: VmSize; warm: number; snapshots: number };
  host: KeptFree;
  keep: { runsDays: number };
  roles: { implementer: number; reviewer: number };
  agent: { cli: string; model: string | null; maxTurns: number; iterationTimeoutMs: number };
  budget: FleetBudget;
  limits: {
    iterationsPerTask: number;
    uncountedPerTask: number;
    stagnationAfter: number;
    reviewsWaiting: number;
    reviewRounds: number;
    /** Share of a subscription's usage windows that is left to the person. */
    keepFreeOfUsageWindow: number;
    /** An iteration that shows no sign of life for so long is stopped. */
    silenceMs: number;
  };
  /** Where a provider's credential comes from on the host; never its value. */
  credentials: Partial<Record<Provider, CredentialSource>>;
  review: { required: boolean; allowNonInteractive: boolean };
  integrate: { mode: 'branch' | 'pr' };
  notify: NotifyChannel[];
  upstream: { anthropic: string; openai: string };
  /** Where metrics are served; null: nowhere. */
  metrics: { listen: string } | null;
  /** Base URLs; null: nothing goes there. */
  telemetry: { loki: string | null; otlp: string | null };
}

export type NotifyChannel = { kind: 'terminal' } | { kind: 'desktop' } | { kind: 'webhook'; url: string };

/** What the user wants of the fleet as a whole. `deleted` = down with its VMs removed. */
export type FleetDesire = 'up' | 'down' | 'deleted';

/** One agent loop in one tmux session: `implementer-1`, `reviewer-1`, … */
export interface Ralph {
  name: string;
  role: 'implementer' | 'reviewer';
  task: string | null;
  vm: string | null;
  since: number;
}

/** Something that happened, for people. Append only; `seq` never has a gap. */
export interface FleetEvent {
  seq: number;
  at: number;
  kind: string;
  subject: string;
  text: string;
}

/** Spend settled by the gateway, per task and iteration. Tokens = input + cache writes + output. */
export interface Spend {
  tokens: number;
  usd: number;
  calls: number;
}
