import type { Context } from './context.ts';

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
