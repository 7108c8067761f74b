import type { IncomingMessage } from 'node:http';
import { FleetError } from '../lib/errors.ts';

const maxBytes = 16 * 1024 * 1024;

/** The JSON body of a request; nothing at all counts as `{}`. Errors: `too_large`, `usage`. */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxBytes) throw new FleetError('too_large', `The request is larger than ${maxBytes} bytes.`);
    parts.push(part);
  }
  if (size === 0) return {};
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch (cause) {
    throw new FleetError('usage', 'The request is not valid JSON.', { cause });
  }
}
