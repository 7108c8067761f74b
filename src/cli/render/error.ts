import { asFleetError, type FleetError } from '../../lib/errors.ts';
import { cleanBlock } from './cell.ts';
import { type Look, mark } from './look.ts';

/** Three parts: what was tried and found, what to do, and the code. The chain and the stack only with `debug`. */
export function renderError(thrown: unknown, look: Look, debug: boolean): string[] {
  const error = asFleetError(thrown);
  const [first = '', ...rest] = cleanBlock(error.message).split('\n');
  return [
    `${mark(look, 'fail')} ${first}`,
    ...rest.map((line) => `  ${line}`),
    ...remedyOf(error).map((line) => `  ${line}`),
    `  (code ${error.code}${debug ? '' : '; --debug for the chain'})`,
    ...(debug ? chain(error) : []),
  ];
}

function remedyOf(error: FleetError): string[] {
  if (error.remedy) return cleanBlock(error.remedy).split('\n');
  return error.kind === 'bug'
    ? ['This is a fault of ralph-fleet. Please report it with the output of the same command and --debug.']
    : [];
}

function chain(error: FleetError): string[] {
  const lines: string[] = [];
  for (let at: unknown = error, depth = 0; at !== undefined && depth < 8; depth++) {
    const text = at instanceof Error ? (at.stack ?? at.message) : String(at);
    lines.push(...cleanBlock(depth === 0 ? text : `because: ${text}`).split('\n'));
    at = at instanceof Error ? at.cause : undefined;
  }
  return lines;
}
