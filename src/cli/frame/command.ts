import type { Client } from '../../client/client.ts';
import type { FleetConfig } from '../../domain/fleet.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Paths } from '../../lib/paths.ts';
import type { PreflightResult } from '../../preflight/preflight.ts';
import type { Look } from '../render/look.ts';
import type { Io } from './io.ts';

/** One command: everything parser, help, completion and docs need, and what it does. */
export interface CommandSpec {
  /** `status`; within a group `show`. */
  name: string;
  summary: string;
  /** Commander's syntax: `<task>`, `[file]`, `[words...]`. */
  args?: readonly { syntax: string; about: string }[];
  options?: readonly { flags: string; about: string }[];
  /** At least one; shown first in `--help`. */
  examples: readonly string[];
  /** Reads fleet.yaml; the others go by what the daemon was given. */
  readsConfig?: true;
  /** Not shown in help. */
  hidden?: boolean;
  /** Resolves with the exit code; nothing = 0. */
  run(context: Context, input: CommandInput): Promise<number | undefined>;
}

export interface CommandInput {
  args: string[];
  options: Readonly<Record<string, string | boolean | undefined>>;
}

export const groups = ['daily', 'fleet', 'work', 'operations'] as const;
export type Group = (typeof groups)[number];

/** What is known of a command before its module is loaded, so that `status` need not load the others. */
export interface CommandEntry {
  name: string;
  group: Group;
  summary: string;
  /** Names of its subcommands, for a group like `task`. */
  sub?: readonly string[];
  load(): Promise<readonly CommandSpec[]>;
}

export function text(input: CommandInput, option: string): string | null {
  const value = input.options[option];
  return typeof value === 'string' ? value : null;
}

export function flag(input: CommandInput, option: string): boolean {
  return input.options[option] === true;
}

export interface Globals {
  json: boolean;
  /** Keys of `--json=a,b`; empty = all. */
  fields: string[];
  debug: boolean;
  ascii: boolean;
  noColor: boolean;
  config: string | null;
  yes: boolean;
}

/** What a run of the CLI is made of; start.ts makes the real ones, tests their own. */
export interface CliDeps {
  io: Io;
  env: Record<string, string | undefined>;
  paths: Paths;
  clock: Clock;
  /** Fires on the first ctrl-C. */
  signal: AbortSignal;
  version(): string;
  /** How this program is started again, for tmux windows: node, its flags and bin's path. */
  self: readonly string[];
  /** Looks at the host; null where it is not wired. */
  preflight: ((wanted: { demo: boolean; config: FleetConfig }) => Promise<PreflightResult>) | null;
  /** Makes sure a daemon runs; tests hand in one that does nothing. */
  ensureDaemon?: (onStage: (stage: string) => void) => Promise<void>;
}

export interface Context extends CliDeps {
  commands: readonly CommandEntry[];
  globals: Globals;
  client: Client;
  look(): Look;
  /** The result: lines for people, or the document with --json. */
  print(document: unknown, lines: (look: Look) => readonly string[]): void;
  /** Everything that is not the result. */
  note(text: string): void;
  /** Starts the daemon when needed, telling on stderr after a moment. */
  needDaemon(): Promise<void>;
  /** Asks with default No; without a terminal only --yes will do. */
  confirm(question: string, without: string): Promise<boolean>;
}
