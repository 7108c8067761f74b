import type { IncomingMessage, ServerResponse } from 'node:http';
import { FleetError } from '../lib/errors.ts';
import type { ApiDeps } from './deps.ts';
import { readNumber } from './events.ts';
import { openSse } from './sse.ts';

interface Asked {
  url: URL;
  request: IncomingMessage;
  response: ServerResponse;
  signal: AbortSignal;
  ralph: string;
}

/** Readable lines of what a Ralph's agent printed. */
export async function streamTranscript(deps: ApiDeps, asked: Asked): Promise<void> {
  const { url, ralph } = asked;
  const after = readNumber(url, 'after');
  const follow = url.searchParams.get('follow') === '1';
  refuseUnknown(deps, ralph);
  const sse = openSse(asked.request, asked.response, asked.signal);
  try {
    for await (const line of deps.transcripts.lines(ralph, { after, follow, signal: sse.signal })) {
      if (!(await sse.send({ event: 'line', id: line.offset, data: line }))) return;
    }
    await sse.send({ event: 'end', id: 0, data: {} });
  } finally {
    sse.end();
  }
}

export function refuseUnknown(deps: ApiDeps, name: string): void {
  const names = deps.queries.store.ralphs.list('ORDER BY name').map((ralph) => ralph.name);
  if (names.includes(name)) return;
  throw new FleetError('not_found', `There is no Ralph \`${name.slice(0, 60)}\`.`, {
    remedy: names.length === 0 ? 'ralph-fleet up' : `There are ${names.map((each) => `\`${each}\``).join(', ')}.`,
  });
}
