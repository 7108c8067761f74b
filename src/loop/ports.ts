import type { Amounts, Budget, BudgetPeriod, BudgetStop } from '../domain/budget.ts';
import type { CredentialLook } from '../domain/credential.ts';
import type { GuestEndpoint } from '../domain/endpoint.ts';
import type { Arrived, RalphRole } from '../domain/iteration.ts';
import type { RegistryKind } from '../domain/registry.ts';
import type { RunRecord } from '../domain/run-record.ts';
import type { IterationTrace } from '../domain/trace.ts';
import type { UsageLimit, UsageWindow } from '../domain/usage-limit.ts';

/** What the control side needs of the gateway process. The daemon hands in a client of its socket; the simulation a fake. */
export interface GatewayPort {
  openTunnel(vm: { id: string; endpoint: GuestEndpoint; hostKey: string }): Promise<void>;
  closeTunnel(vmId: string): Promise<void>;
  /** Lets this VM read the host's package registries through its tunnel, until `expiresAt` or until that is closed; idempotent. */
  openRegistries(vmId: string, kinds: readonly RegistryKind[], expiresAt: number): Promise<void>;
  /** Ids of the VMs it keeps a tunnel to. */
  tunnels(): Promise<string[]>;
  /** Lets one iteration's token spend until `expiresAt`; idempotent. */
  grant(grant: {
    token: string;
    vm: string;
    project: string;
    task: string;
    ralph: string;
    iteration: string;
    role: RalphRole;
    expiresAt: number;
    /** What shows that its agent was given prompt and tools; null where that cannot be looked for. */
    marks: { prompt: string; tool: string } | null;
    /** Null: it is not traced. */
    trace: IterationTrace | null;
  }): Promise<void>;
  revoke(iteration: string): Promise<void>;
  /** Per iteration that has called a model: how many calls are open, and how many there were since the gateway began. */
  calls(): Promise<Map<string, ModelCalls>>;
  /** Says where credentials are to come from, and hears how they stand. */
  credentials(): Promise<CredentialLook[]>;
  /** Limits of levels of the budget tree; the others stay as they are. */
  setBudgets(budgets: readonly NodeBudget[]): Promise<void>;
  /** These levels as they stand now. */
  levels(nodes: readonly string[]): Promise<BudgetLevel[]>;
  settlements(after: number, limit: number): Promise<SettledCall[]>;
  /** The share of each usage window that is left to the person. */
  setKeepFree(share: number): Promise<void>;
  /** Forgets a limit that was learned at `since` or before, so that a call may try it. */
  liftLimit(id: string, since: number): Promise<void>;
  /** Limits of the present credentials, and how much of their usage windows is used. */
  limits(): Promise<{ limits: UsageLimit[]; windows: UsageWindow[] }>;
  /** What an iteration's agent said through its tools; nothing more comes once it is revoked. */
  said(iteration: string): Promise<SaidByTools>;
}

export interface ModelCalls {
  open: number;
  begun: number;
}

export interface SaidByTools {
  /** Oldest first, as the agent gave it. */
  calls: { at: number; verb: string; given?: unknown }[];
  refused: number;
  arrived: Arrived;
}

/** One call the gateway metered, or refused. */
export interface SettledCall {
  seq: number;
  task: string;
  iteration: string;
  model: string;
  tokens: number;
  usd: number;
  /** Of it what a subscription covers. */
  imputedUsd: number;
  /** 0 for what never went up. */
  calls: number;
  refused: string | null;
  /** What of the provider's ended it: `limit`, an HTTP status, the name of an error. */
  fault: string | null;
  /** The level that refused it. */
  shortfall: Omit<BudgetStop, 'at'> | null;
  /** Levels that have now used the share of a limit at which people are told. */
  warnings: Omit<BudgetStop, 'at' | 'needed'>[];
  /** Why its figures are not simply the provider's. */
  flags: ('unsettled' | 'power-cut' | 'says-less' | 'says-more')[];
  metered: Metered;
}

/** What else the gateway says of a call. */
export interface Metered {
  /** When it was settled. */
  at: number;
  role: RalphRole;
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  /** The model is one of the price table. */
  isKnown: boolean;
}

export type NodeBudget = Omit<Budget, 'ms'> & { node: string; runSince: number };

/** One level in its present period. */
export interface BudgetLevel {
  node: string;
  per: BudgetPeriod;
  since: number;
  until: number | null;
  limit: Record<keyof Amounts, number | null>;
  settled: Amounts;
  reserved: Amounts;
  held: number;
}

/** Files of an iteration on the host: `runs/<iteration>/…`. Big things are files, never rows. */
export interface RunFiles {
  /** How much of an iteration's stream is on disk: the truth that survives a crash. */
  streamSize(iteration: string): Promise<number>;
  /** Writes at exactly this offset, so that a repeated call changes nothing. */
  writeStream(iteration: string, offset: number, bytes: Uint8Array): Promise<void>;
  readStream(iteration: string, offset: number, maxBytes: number): Promise<Uint8Array>;
  /** A whole small file (`prompt.md`, `signals.jsonl`, `stderr`), atomically. */
  writeFile(iteration: string, name: string, data: string | Uint8Array): Promise<void>;
}

/** What was seen of runs of the checks, each a file of its own, for ever. */
export interface RunRecords {
  /** Whole or not at all. Returns its sha256, by which it is found. */
  write(record: RunRecord): Promise<string>;
}
