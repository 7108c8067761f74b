import type { IncomingMessage } from 'node:http';
import { FleetError } from '../lib/errors.ts';

const origin = 'http://ralph-fleet';

/** What was asked for. `//` and the like are no path a URL can have: `usage`. */
export function readUrl(request: IncomingMessage): URL {
  const text = request.url ?? '/';
  if (URL.canParse(text, origin)) return new URL(text, origin);
  throw new FleetError('usage', `\`${text.slice(0, 200)}\` is no path.`);
}

export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new FleetError('usage', 'The path is not valid percent-encoding.');
  }
}
