import { chmodSync, existsSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { httpStatusOf, toErrorBody } from '../contract/errors.ts';
import { type RouteName, routePaths } from '../contract/route-paths.ts';
import { routes } from '../contract/routes.ts';
import { asFleetError, FleetError, formatError } from '../lib/errors.ts';
import { readBody } from './body.ts';
import type { ApiDeps } from './deps.ts';
import { streamEvents } from './events.ts';
import { handlers } from './handlers.ts';
import { isShell, openShell } from './shell.ts';
import { openTerminal } from './terminal.ts';
import { streamTranscript } from './transcript.ts';
import { decode, readUrl } from './url.ts';

/**
 * The daemon's HTTP API on a unix socket (0600): whoever can open the socket is the user. Each request is checked by the
 * route's schema; each failure is the error body of the contract.
 */
export interface Api {
  close(): Promise<void>;
}

const quiet: ReadonlySet<string> = new Set(['healthz', 'readyz']);

export async function startApi(deps: ApiDeps, socketPath: string): Promise<Api> {
  const stop = new AbortController();
  const server = createServer((request, response) => {
    void answer(deps, request, response, stop.signal);
  });
  const upgraded = new Set<Duplex>();
  server.on('upgrade', (request, socket: Duplex) => {
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    void (isShell(request) ? openShell : openTerminal)(deps, request, socket);
  });
  await listen(server, socketPath);
  return {
    async close() {
      stop.abort();
      server.closeIdleConnections();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      for (const socket of upgraded) socket.destroy();
      await closed;
    },
  };
}

/** A socket file left by a daemon that was killed is in the way; the single-instance lock says that nobody listens on it. */
async function listen(server: Server, socketPath: string): Promise<void> {
  try {
    if (existsSync(socketPath)) rmSync(socketPath);
  } catch (cause) {
    throw new FleetError('storage', `Cannot listen on \`${socketPath}\`: what lies there cannot be removed.`, {
      remedy: `Move \`${socketPath}\` away.`,
      cause,
    });
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new FleetError('storage', `Cannot listen on \`${socketPath}\`.`, { cause })),
    );
    server.listen(socketPath, resolve);
  });
  chmodSync(socketPath, 0o600);
}

async function answer(
  deps: ApiDeps,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  let shown = request.url ?? '/';
  try {
    const url = readUrl(request);
    shown = url.pathname;
    if (url.pathname === '/v1/events') return await streamEvents(deps, { url, request, response, signal });
    const stream = /^\/v1\/ralphs\/([^/]+)\/stream$/.exec(url.pathname);
    if (stream)
      return await streamTranscript(deps, {
        url,
        request,
        response,
        signal,
        ralph: decode(stream[1] ?? ''),
      });
    const found = match(request.method ?? 'GET', url.pathname);
    const route = routes[found.name];
    const query = check(route.query, Object.fromEntries(url.searchParams), 'query');
    const body = request.method === 'POST' ? check(route.request, await readBody(request), 'body') : {};
    const handler = handlers[found.name] as (deps: ApiDeps, asked: unknown) => unknown;
    const result = await handler(deps, { params: found.params, query, body });
    if (request.method === 'POST') deps.nudge();
    const isWaiting = found.name === 'readyz' && !(result as { ready: boolean }).ready;
    send(response, isWaiting ? 503 : 200, result);
    if (!quiet.has(found.name)) deps.log.debug({ route: found.name }, 'request');
  } catch (error) {
    const failure = asFleetError(error);
    if (failure.kind === 'bug')
      deps.log.error({ err: error, path: shown, chain: formatError(error) }, 'a request failed');
    if (response.headersSent) response.destroy();
    else send(response, httpStatusOf(failure.code), toErrorBody(failure));
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

const table = Object.entries(routePaths).map(([name, [method, path]]) => ({
  name: name as RouteName,
  method,
  names: [...path.matchAll(/:([a-z]+)/g)].map((found) => found[1] ?? ''),
  pattern: new RegExp(`^${path.replace(/:[a-z]+/g, '([^/]+)')}$`),
}));

function match(method: string, path: string): { name: RouteName; params: Record<string, string> } {
  for (const route of table) {
    const found = route.method === method ? route.pattern.exec(path) : null;
    if (found === null) continue;
    const params = Object.fromEntries(route.names.map((name, at) => [name, decode(found[at + 1] ?? '')]));
    return { name: route.name, params };
  }
  throw new FleetError('not_found', `There is no route \`${method} ${path.slice(0, 200)}\`.`);
}

function check(
  schema: (typeof routes)[RouteName]['request'] | (typeof routes)[RouteName]['query'],
  value: unknown,
  what: string,
): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || what}: ${issue.message}`);
  throw new FleetError('usage', `The ${what} of the request is not valid: ${problems.slice(0, 10).join('; ')}`);
}
