import { type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';

/**
 * A request that came before the hand-over and has not gone up: it is the next gateway's to admit, reserve and forward, so it is
 * made there as the guest made it. `bytes`: its body, when it was read already.
 */
export async function passOn(
  reached: (signal: AbortSignal) => Promise<Socket>,
  req: IncomingMessage,
  res: ServerResponse,
  bytes: Buffer | null,
): Promise<void> {
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  res.shouldKeepAlive = false;
  try {
    const socket = await reached(gone.signal);
    const up = request({
      createConnection: () => socket,
      ...(req.method === undefined ? {} : { method: req.method }),
      ...(req.url === undefined ? {} : { path: req.url }),
      headers: endToEnd(req.headers, bytes),
      signal: gone.signal,
    });
    up.once('socket', () => socket.resume()); // it was paused until somebody listens
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      up.once('response', resolve);
      up.once('error', reject);
    });
    // An answer may come before the whole body has gone, and end it.
    if (bytes !== null) up.end(bytes);
    else pipeline(req.iterator({ destroyOnReturn: false }), up).catch(() => {});
    const answer = await answered;
    res.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers, null));
    res.flushHeaders();
    await pipeline(answer, res);
  } catch {
    res.destroy();
  }
}

const ofTheConnection = new Set(['connection', 'keep-alive', 'expect', 'upgrade']);

function endToEnd(from: IncomingHttpHeaders, bytes: Buffer | null): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = { connection: 'close' };
  for (const [name, value] of Object.entries(from)) {
    if (value === undefined || ofTheConnection.has(name)) continue;
    if (bytes !== null && name === 'transfer-encoding') continue;
    kept[name] = value;
  }
  if (bytes !== null) kept['content-length'] = String(bytes.length);
  return kept;
}
