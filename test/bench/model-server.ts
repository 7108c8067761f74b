import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A model API for measuring: answers at once, each call with a usage of its own, and keeps the sum of what it said. The last
 * message's text says how: `quick` (a short stream), `whole` (one JSON answer), `drip` (a stream that goes on until it is cut).
 * `GET /said` tells the sums; prints its URL as the first line.
 */
const said = { calls: 0, inputTokens: 0, cacheReadTokens: 0, outputTokens: 0 };
let seed = 1;

function random(most: number): number {
  seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
  return seed % most;
}

/** Never more than the request allows for. */
function usageOf(body: { max_tokens?: number }, bytes: number) {
  const input_tokens = 1 + random(Math.max(1, Math.floor(bytes / 2)));
  const cache_read_input_tokens = random(Math.max(1, Math.floor(bytes / 3)));
  return {
    input_tokens,
    cache_read_input_tokens,
    output_tokens: 10 + random(Math.max(1, (body.max_tokens ?? 1000) - 10)),
  };
}

function event(type: string, more: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
}

const delta = event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'twenty letters each.' } });

function answer(res: ServerResponse, raw: Buffer): void {
  const body = JSON.parse(raw.toString('utf8'));
  const how = String(body.messages?.at(-1)?.content ?? 'quick');
  const usage = usageOf(body, raw.length);
  if (how !== 'drip') {
    said.calls += 1;
    said.inputTokens += usage.input_tokens;
    said.cacheReadTokens += usage.cache_read_input_tokens;
    said.outputTokens += usage.output_tokens;
  }
  const message = {
    id: 'm',
    type: 'message',
    role: 'assistant',
    model: body.model,
    content: [],
    stop_reason: null,
    usage,
  };
  if (how === 'whole') {
    res.writeHead(200, { 'content-type': 'application/json' });
    return void res.end(
      JSON.stringify({
        ...message,
        stop_reason: 'end_turn',
        content: [{ type: 'text', text: 'twenty letters each.' }],
      }),
    );
  }
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  res.write(event('message_start', { message: { ...message, usage: { ...usage, output_tokens: 1 } } }));
  res.write(event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }));
  if (how === 'drip') {
    const timer = setInterval(() => res.write(delta), 100);
    return void res.once('close', () => clearInterval(timer));
  }
  const end = event('message_delta', { delta: { stop_reason: 'end_turn' }, usage });
  res.end(delta.repeat(5) + event('content_block_stop', { index: 0 }) + end + event('message_stop', {}));
}

function serve(req: IncomingMessage, res: ServerResponse): void {
  if (req.method === 'GET') {
    res.writeHead(200, { 'content-type': 'application/json' });
    return void res.end(JSON.stringify(said));
  }
  const pieces: Buffer[] = [];
  req.on('data', (piece: Buffer) => pieces.push(piece));
  req.on('end', () => answer(res, Buffer.concat(pieces)));
}

const server = createServer(serve);
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
