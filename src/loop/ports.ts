import type { GuestEndpoint } from '../domain/endpoint.ts';
import type { RegistryKind } from '../domain/registry.ts';

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
    expiresAt: number;
  }): Promise<void>;
  revoke(iteration: string): Promise<void>;
  limitTask(task: string, limit: SpendLimit): Promise<void>;
  settlements(after: number, limit: number): Promise<SettledCall[]>;
}

/** What a task may spend; null = no limit of that kind. */
export interface SpendLimit {
  maxTokens: number | null;
  maxUsd: number | null;
  maxCalls: number | null;
}

/** One call the gateway metered, or refused. */
export interface SettledCall {
  seq: number;
  task: string;
  iteration: string;
  tokens: number;
  usd: number;
  refused: string | null;
  retryAt: number | null;
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
