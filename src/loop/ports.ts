import type { Amounts, Budget, BudgetPeriod, BudgetStop } from '../domain/budget.ts';
import type { GuestEndpoint } from '../domain/endpoint.ts';
import type { RalphRole } from '../domain/iteration.ts';
import type { RegistryKind } from '../domain/registry.ts';
import type { RunRecord } from '../domain/run-record.ts';

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
  }): Promise<void>;
  revoke(iteration: string): Promise<void>;
  /** Limits of levels of the budget tree; the others stay as they are. */
  setBudgets(budgets: readonly NodeBudget[]): Promise<void>;
  /** These levels as they stand now. */
  levels(nodes: readonly string[]): Promise<BudgetLevel[]>;
  settlements(after: number, limit: number): Promise<SettledCall[]>;
}

/** One call the gateway metered, or refused. */
export interface SettledCall {
  seq: number;
  task: string;
  iteration: string;
  model: string;
  tokens: number;
  usd: number;
  /** 0 for what never went up. */
  calls: number;
  refused: string | null;
  retryAt: number | null;
  /** The level that refused it. */
  shortfall: Omit<BudgetStop, 'at'> | null;
  /** Levels that have now used the share of a limit at which people are told. */
  warnings: Omit<BudgetStop, 'at' | 'needed'>[];
  /** Why its figures are not simply the provider's. */
  flags: ('unsettled' | 'power-cut' | 'says-less' | 'says-more')[];
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
