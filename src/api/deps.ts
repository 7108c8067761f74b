import type { Readable } from 'node:stream';
import type { CredentialUse } from '../actions/credential.ts';
import type { ActionDeps, Done } from '../actions/deps.ts';
import type { ImageVerified } from '../contract/actions.ts';
import type { CredentialView } from '../contract/credentials.ts';
import type { ReadyView } from '../contract/daemon-view.ts';
import type { Level, SpentBy } from '../contract/gateway.ts';
import type { ShellStart } from '../contract/shell.ts';
import type { FileView } from '../contract/task-view.ts';
import type { Disk } from '../domain/disk.ts';
import type { FleetConfig } from '../domain/fleet.ts';
import type { Reclaimable } from '../domain/reclaim.ts';
import type { Replay } from '../domain/replay.ts';
import type { Task } from '../domain/task.ts';
import type { Log } from '../lib/log.ts';
import type { QueryDeps } from '../queries/deps.ts';
import type { PlanSaid } from '../queries/why-view.ts';

/** What the API needs beside actions and queries; handed in by the daemon. */
export interface ApiDeps {
  queries: QueryDeps;
  actions: ActionDeps;
  log: Log;
  ready: () => ReadyView;
  /** Makes the next pass come at once. */
  nudge: () => void;
  /** A fresh look of the planner that changes nothing. */
  look: () => Promise<PlanSaid>;
  /** Ends the daemon after the answer is sent. */
  stop: () => void;
  upgradeGateway: () => Promise<{ pid: number; version: string; leaving: { pid: number; openCalls: number }[] }>;
  wantImage: () => Promise<Done>;
  /** Boots an image (null: the one fleet.yaml asks for) and says what `ralph-verify` finds; takes a boot. */
  verifyImage: (key: string | null) => Promise<ImageVerified>;
  takeConfig: (config: FleetConfig) => Promise<void>;
  startDemo: () => Promise<void>;
  exportEvidence: (task: Task, path: string) => Promise<{ path: string; bytes: number; digest: string }>;
  /** Of a task of this fleet, or of a bundle that is read now. */
  startReplay: (of: { task: string } | { bundle: string; repository: string }) => Promise<Replay>;
  /** What disks take on the host, by key. */
  diskSizes: (disks: readonly Disk[]) => Promise<ReadonlyMap<string, number>>;
  /** What nobody needs any more; confirmed, it goes. */
  gc: (confirmed: boolean) => Promise<{ items: Reclaimable[]; problems: string[] }>;
  purge: (confirmed: boolean) => Promise<{ purged: boolean; paths: string[] }>;
  /** What the gateway says of these levels of the budget tree, and of what one is made; null while it cannot be asked. */
  budgets: (nodes: readonly string[], one: string | null) => Promise<{ levels: Level[] | null; spent: SpentBy | null }>;
  credentials: {
    view(): Promise<CredentialView[]>;
    use(wish: CredentialUse): Promise<{ message: string; changed: boolean; credential: CredentialView }>;
  };
  filesOf: (task: Task) => Promise<FileView[]>;
  diffOf: (task: Task) => Promise<string>;
  /** Whether a task's base still is its branch's tip; null when the checkout cannot be read. */
  isBaseTip: (task: Task) => Promise<boolean | null>;
  transcripts: Transcripts;
  /** 8 hexadecimal digits for what is to be made. */
  newId: () => string;
  /** What the disks of VMs take on the host, by id; empty while the driver cannot be asked. */
  vmDiskBytes: () => Promise<ReadonlyMap<string, number>>;
  /** The VM a shell was asked for, by whatever it goes by; refuses those nobody may touch. */
  shellVm: (word: string) => string;
  shell: (vm: string, start: ShellStart) => Promise<ShellStream>;
  terminal: (ralph: string, terminal: { write: boolean; cols: number; rows: number }) => Promise<TerminalStream>;
}

export interface ShellStream {
  stdin: NodeJS.WritableStream;
  stdout: NodeJS.ReadableStream;
  stderr: NodeJS.ReadableStream;
  /** Null when it was cut off, or a signal ended it. */
  exit: Promise<number | null>;
  resize(cols: number, rows: number): void;
  close(): void;
}

export interface Transcripts {
  /** Readable lines of a Ralph's newest iteration from byte `after`; with `follow` it goes on until the signal fires. */
  lines(ralph: string, options: { after: number; follow: boolean; signal: AbortSignal }): AsyncIterable<TranscriptLine>;
}

export interface TranscriptLine {
  iteration: string;
  offset: number;
  kind: 'text' | 'tool' | 'result' | 'notice';
  text: string;
}

export interface TerminalStream {
  readable: Readable | NodeJS.ReadableStream;
  writable: NodeJS.WritableStream;
  close(): void;
}
