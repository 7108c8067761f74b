import type { GuestEndpoint } from '../domain/endpoint.ts';

/**
 * What the host does inside a guest, over ssh with a pinned host key. The simulation implements the same interface.
 *
 * A *job* is one command run in tmux as a Ralph's user: `ralph-iterate` writes its output to a file and its end to another,
 * atomically, so that daemon, gateway and connection may die and the job goes on and is picked up by byte offset.
 *
 * Every call is idempotent, has a deadline, and throws `guest_unreachable` / `guest_timed_out` when the guest cannot be
 * asked: unreachable is never "no jobs". What a guest answers is hostile: parsed by a schema, bounded in size.
 */
export interface Guests {
  /** Logs in; the cheapest proof that the guest lives. */
  ping(vm: GuestAddress): Promise<void>;
  /** Sets hostname and time, makes the Ralph's user ready, and reports what must be unique among VMs. */
  identify(vm: GuestAddress, identity: { hostname: string; now: number }): Promise<IdentityReport>;
  /** `ralph-verify`: is the guest contract kept in this booted VM? */
  verify(vm: GuestAddress): Promise<VerifyReport>;
  /** Brings a bundle in and checks `commit` out in a fresh folder `/home/<user>/<folder>`. Replaces what is there. */
  seedWorkspace(
    vm: GuestAddress,
    seed: { bundleFile: string; commit: string; folder: string; user: string },
  ): Promise<void>;
  /** Starts a job; starting one that was started does nothing. */
  startJob(vm: GuestAddress, job: JobSpec): Promise<void>;
  /** All jobs of this VM in one call. */
  jobs(vm: GuestAddress): Promise<JobState[]>;
  /** Up to `maxBytes` of a job's stream from `offset`. */
  readStream(vm: GuestAddress, job: string, offset: number, maxBytes: number): Promise<Uint8Array>;
  /** A file of a job's folder (`stderr`, `signals.jsonl`, `checks.jsonl`, `outputs`), its last `maxBytes`; empty when missing. */
  readJobFile(vm: GuestAddress, job: string, name: JobFile, maxBytes: number): Promise<Uint8Array>;
  /** Ends a job: SIGTERM to its whole group, SIGKILL after `graceMs`; its end file says `killed`. */
  stopJob(vm: GuestAddress, job: string, graceMs: number): Promise<void>;
  /**
   * Saves the workspace's tree as a commit on `base` in a bundle and brings it to `targetFile` on the host (at most
   * `maxBytes`, else `too_large`). The agent may go on meanwhile.
   */
  save(
    vm: GuestAddress,
    save: { folder: string; user: string; base: string; targetFile: string; maxBytes: number },
  ): Promise<SaveReport>;
  /** All that was written in it is on its disk. */
  sync(vm: GuestAddress): Promise<void>;
  /** `ralph-seal`: takes identity, host keys and seeds off its disk, before that disk is kept for others. The last thing to run in it. */
  seal(vm: GuestAddress): Promise<void>;
  /**
   * `ralph-settle`: makes an untouched guest fit to be saved with its memory as a template: no identity, nobody logged in, and a program
   * that waits on the spare channel. The last thing before the save.
   */
  settle(vm: GuestAddress, spare: GuestEndpoint): Promise<void>;
  /**
   * Gives a fork of such a template an identity of its own, before anything of a user runs in it. Needs no login and no key. Asked
   * again it is made anew.
   */
  identifyFork(vmId: string, spare: GuestEndpoint, identity: ForkIdentity): Promise<ForkReport>;
  /** A terminal on a Ralph's tmux (read-only unless `write`), as a byte stream; on the `people` channel. */
  terminal(vm: GuestAddress, terminal: { user: string; write: boolean; cols: number; rows: number }): Promise<Terminal>;
  /**
   * A person's login shell in the user's workspace, or with `argv` one command there; with a `screen` on a terminal of its own. On the
   * `people` channel. What comes out of it is the guest's: not for a terminal as it is.
   */
  shell(vm: GuestAddress, shell: { user: string; argv: readonly string[]; screen: Screen | null }): Promise<Shell>;
  /** Forgets the connection to a VM that is no more. */
  forget(vmId: string): void;
  /** Closes every connection. */
  close(): Promise<void>;
}

export interface GuestAddress {
  id: string;
  control: GuestEndpoint;
  people: GuestEndpoint;
  /** Pinned: any other key is refused with `guest_untrusted`. */
  hostKey: string;
}

export const jobFiles = ['stderr', 'signals.jsonl', 'checks.jsonl', 'outputs', 'pane'] as const;
export type JobFile = (typeof jobFiles)[number];

export interface JobSpec {
  id: string;
  /** `agent`: argv; `checks`: a list of checks run one after the other, results to checks.jsonl; `setup`: one command. */
  kind: 'agent' | 'checks' | 'setup';
  user: string;
  /** The tmux window's name: the Ralph's or the purpose's. */
  title: string;
  /** Absolute folder in the guest. */
  cwd: string;
  argv: string[];
  checks: { id: string; run: string; timeoutSeconds: number }[];
  env: Record<string, string>;
  /** Absolute path in the guest, content, mode; owned by the user. */
  files: { path: string; content: string; mode: number }[];
  /** jq program for the pane; null shows the raw text. */
  paneFilter: string | null;
  timeoutSeconds: number;
  /** More stream than this ends the job (`killed`). */
  maxStreamBytes: number;
}

/** Bytes that are kept of each output of each check of a run: all of them together are bounded, for the guest's disk and the host's memory. */
export function outputBytes(checks: number): number {
  return Math.min(1024 * 1024, Math.floor(maxOutputBytes / 2 / Math.max(1, checks)));
}

/** Of one run's `outputs`, without the lines between. */
export const maxOutputBytes = 16 * 1024 * 1024;

export interface JobState {
  id: string;
  /** `lost`: its process is gone and it left no end (the guest was restarted, or it was killed hard). */
  state: 'running' | 'ended' | 'lost';
  streamBytes: number;
  end: JobEnd | null;
}

export interface JobEnd {
  exitCode: number | null;
  signal: string | null;
  timedOut: boolean;
  killed: boolean;
  /** Guest's clock, ms since the epoch. */
  startedAt: number;
  endedAt: number;
}

export interface IdentityReport {
  machineId: string;
  bootId: string;
  hostname: string;
  /** Guest clock minus host clock at the time of the answer, ms. */
  clockOffsetMs: number;
}

export interface ForkIdentity {
  hostname: string;
  now: number;
  /** 32 hexadecimal digits. */
  machineId: string;
  /** Random bytes in hexadecimal, at least 32 of them: what the fork's random generator starts from. */
  entropy: string;
  /** Public half of the key the host logs in with. */
  authorizedKey: string;
}

export interface ForkReport extends IdentityReport {
  /** `ssh-ed25519 AAAA…`, made in the fork. */
  hostKey: string;
  /** 32 bytes of the fork's random generator, in hexadecimal; used for nothing else. */
  random: string;
}

export interface VerifyReport {
  ok: boolean;
  contract: number;
  image: string;
  tools: Record<string, string>;
  problems: string[];
}

export interface SaveReport {
  files: number;
  bytes: number;
  leftOut: string[];
}

export interface Terminal {
  readable: NodeJS.ReadableStream;
  writable: NodeJS.WritableStream;
  resize(cols: number, rows: number): void;
  close(): void;
}

export interface Screen {
  cols: number;
  rows: number;
}

export interface Shell {
  stdin: NodeJS.WritableStream;
  stdout: NodeJS.ReadableStream;
  stderr: NodeJS.ReadableStream;
  /** Null when it was cut off, or a signal ended it. */
  exit: Promise<number | null>;
  resize(cols: number, rows: number): void;
  close(): void;
}

/** The first Ralph's user in a guest, and where its workspace is. */
export const ralphUser = 'ralph1';
export const workspaceFolder = 'work';
/** The guest's one local address of the gateway. */
export const guestGatewayUrl = 'http://127.0.0.1:4141';
