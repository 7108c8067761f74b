import { cleanText } from '../lib/clean-text.ts';
import { FleetError, isFleetError } from '../lib/errors.ts';
import type { Exchange } from './exchange.ts';
import { quoteCommand } from './shell-quote.ts';
import type { Call, SshConnection } from './ssh-connection.ts';

/** The exit codes of the ralph-* scripts, see `fail` in scripts/ralph-places. */
const codes = new Map([
  [3, 'not_found'],
  [64, 'bug'],
  [74, 'storage'],
  [75, 'refused'],
] as const);

/** Runs one command in a guest; any exit code but 0 (or those `call` takes for an answer) is an error that says what the command said. */
export async function callGuest(
  connection: SshConnection,
  vm: string,
  argv: readonly string[],
  call: Call,
): Promise<Exchange> {
  const result = await connection.run(quoteCommand(argv), call);
  if ((call.okExitCodes ?? [0]).includes(result.exitCode)) return result;
  const said = cleanText(new TextDecoder().decode(result.said)).trim().slice(-1000) || 'nothing';
  const code = codes.get(result.exitCode as 3) ?? 'command_failed';
  throw new FleetError(code, `\`${vm}\` was asked to ${call.what}: exit ${result.exitCode}, it said: ${said}`, {
    details: { argv: [...argv], exitCode: result.exitCode },
  });
}

/** Whether a guest said that it cannot write: most often its disk is full, whoever filled it. */
export function isGuestFull(error: unknown): error is FleetError {
  return isFleetError(error, 'storage') && error.details['exitCode'] === 74;
}
