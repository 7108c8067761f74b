import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Listen } from '../domain/listen.ts';
import type { Clock } from '../lib/clock.ts';
import { formatError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';

/**
 * The one address over TCP: `GET /metrics` for Prometheus, `POST /api/v2/alerts` from it. On this machine alone; what a browser can
 * be made to ask is refused. An address that cannot be had stops nothing: it is a problem that people see, and is tried again.
 */
export interface MetricsListener {
  /** Listens here from now on; null: nowhere. */
  take(listen: Listen | null): Promise<void>;
  /** Why nobody is listening though somebody should, since when; null: all is well. */
  problem(): { what: string; since: number } | null;
  close(): Promise<void>;
}

export interface ListenerDeps {
  scrape: (accept: string) => Promise<{ type: string; text: string }>;
  /** Throws for what it does not understand. */
  takeAlerts: (body: unknown) => void;
  clock: Clock;
  log: Log;
}

const againAfterMs = 5_000;
const maxBodyBytes = 512 * 1024;
/** Names by which containers of this machine reach it. */
const names = /^(localhost|127(\.\d{1,3}){3}|\[::1\]|host\.docker\.internal|host\.containers\.internal)(:\d+)?$/;

export function createMetricsListener(deps: ListenerDeps): MetricsListener {
  let wanted: Listen | null = null;
  let server: Server | null = null;
  let problem: { what: string; since: number } | null = null;
  let callOff = () => {};

  async function open(): Promise<void> {
    const at = wanted;
    if (at === null) return;
    const next = createServer({ requestTimeout: 10_000 }, (req, res) => void answer(deps, req, res));
    next.listen({ host: at.host, port: at.port, exclusive: true });
    const failure = await once(next, 'listening').then(
      () => null,
      (error: NodeJS.ErrnoException) => error,
    );
    if (wanted !== at) return void next.close();
    if (failure === null) {
      server = next;
      problem = null;
      deps.log.info({ host: at.host, port: at.port }, 'metrics are served');
      return;
    }
    if (problem === null) deps.log.warn({ err: formatError(failure), ...at }, 'metrics cannot be served');
    problem = { what: sayFailure(failure, at), since: problem?.since ?? deps.clock.now() };
    callOff = deps.clock.after(againAfterMs, () => void open());
  }

  async function shut(): Promise<void> {
    callOff();
    problem = null;
    const before = server;
    server = null;
    if (before === null) return;
    const closed = once(before, 'close');
    before.close();
    before.closeAllConnections();
    await closed;
  }

  return {
    async take(listen) {
      if (listen?.host === wanted?.host && listen?.port === wanted?.port) return;
      wanted = listen;
      await shut();
      await open();
    },
    problem: () => problem,
    async close() {
      wanted = null;
      await shut();
    },
  };
}

function sayFailure({ code, message }: NodeJS.ErrnoException, { host, port }: Listen): string {
  const at = `\`${host.includes(':') ? `[${host}]` : host}:${port}\``;
  if (code === 'EADDRINUSE') return `metrics are not served: another program listens on ${at}`;
  return `metrics are not served on ${at}: ${message}`;
}

async function answer(deps: ListenerDeps, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const end = (status: number, text: string, type = 'text/plain; charset=utf-8') =>
    res.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff' }).end(text);
  try {
    if (!names.test(req.headers.host ?? '')) return void end(403, 'Ask for this machine by its own name.\n');
    const path = (req.url ?? '').split('?')[0];
    if (path === '/metrics' && req.method === 'GET') {
      const { type, text } = await deps.scrape(req.headers.accept ?? '');
      return void end(200, text, type);
    }
    // By this `telemetry up` knows its own daemon.
    if (path === '/healthz' && req.method === 'GET') return void end(200, `ralph-fleet ${process.pid}\n`);
    if (path !== '/api/v2/alerts' || req.method !== 'POST')
      return void end(404, 'Here are: GET /metrics, POST /api/v2/alerts\n');
    // A page of the web cannot send this type without asking first, and nobody answers that.
    if (!/^application\/json\b/.test(req.headers['content-type'] ?? ''))
      return void end(415, 'application/json, please\n');
    const body = await readBody(req);
    if (body === null) return void end(413, `At most ${maxBodyBytes} bytes.\n`);
    try {
      deps.takeAlerts(JSON.parse(body));
    } catch (error) {
      deps.log.warn({ err: formatError(error) }, 'alerts were not understood');
      return void end(400, 'No list of alerts as Prometheus sends it.\n');
    }
    end(200, '{}', 'application/json');
  } catch (error) {
    deps.log.warn({ err: formatError(error) }, 'a request to the metrics listener failed');
    if (res.headersSent) res.destroy();
    else end(500, 'This did not work; the log of the daemon says why.\n');
  }
}

/** Null when it is too long. */
async function readBody(req: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of req as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBodyBytes) return null;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
