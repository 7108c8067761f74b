import { FleetError } from '../lib/errors.ts';

/** One argument as POSIX sh reads it: in single quotes nothing has a meaning but the single quote. */
export function quoteArgument(argument: string): string {
  if (argument.includes('\0')) throw new FleetError('bug', 'A command for the guest holds a zero byte.');
  return `'${argument.replaceAll("'", `'\\''`)}'`;
}

/** ssh knows only a command line, which the remote login shell reads: this one comes out as exactly `argv`. */
export function quoteCommand(argv: readonly string[]): string {
  return argv.map(quoteArgument).join(' ');
}
