import type { Duplex } from 'node:stream';
import { text as readText } from 'node:stream/consumers';
import { fromErrorBody } from '../contract/errors.ts';
import type { FleetEventView, StreamLine } from '../contract/events.ts';
import { fillPath, type RouteName, routePaths, streamPaths } from '../contract/route-paths.ts';
import type { Query, Request, Response } from '../contract/routes.ts';
import type { Clock } from '../lib/clock.ts';
import { isFleetError } from '../lib/errors.ts';
import { send, sendJson } from './http.ts';
import { openShell } from './shell.ts';
import { readSse } from './sse.ts';
import { openTerminal, type TerminalRequest } from './terminal.ts';

export interface CallInput<N extends RouteName> {
  params?: Readonly<Record<string, string>>;
  query?: Query<N>;
  body?: Request<N>;
  signal?: AbortSignal;
  /** Longest silence; default 30 s, more for routes that ask the driver. */
  idleMs?: number;
}

/** Typed calls to the daemon. Types come from the routes' schemas; the schemas themselves are not loaded here. */
export interface Client {
  call<N extends RouteName>(name: N, input?: CallInput<N>): Promise<Response<N>>;
  /** Every event after `after`, without a gap, also over a lost connection and a daemon that starts again. */
  events(after: number, signal: AbortSignal): AsyncGenerator<FleetEventView>;
  ralphStream(
    name: string,
    options: { after: number; follow: boolean; signal: AbortSignal },
  ): AsyncGenerator<StreamLine>;
  terminal(request: TerminalRequest): Promise<Duplex>;
  /** Frames both ways, see `contract/shell.ts`. */
  shell(vm: string): Promise<Duplex>;
}

/** These ask the driver anew, and a driver that hangs is given up after 30 s; the last one waits for a boot. */
const slowRoutes: Partial<Record<RouteName, number>> = { plan: 90_000, taskWhy: 90_000, imageVerify: 1_800_000 };

export function createClient(deps: { socketPath: string; clock: Clock }): Client {
  const { socketPath } = deps;
  return {
    call: async (name, input = {}) => {
      const [method, path] = routePaths[name];
      const { params, query, body, signal, idleMs = slowRoutes[name] } = input;
      const answer = await sendJson({
        socketPath,
        method,
        path: fillPath(path, params ?? {}) + toQuery(query as Record<string, unknown> | undefined),
        ...(method === 'POST' ? { body: body ?? {} } : {}),
        ...(signal ? { signal } : {}),
        ...(idleMs === undefined ? {} : { idleMs }),
      });
      if (answer.status < 200 || answer.status > 299) throw fromErrorBody(answer.body, answer.status);
      return answer.body as Response<typeof name>;
    },
    events: (after, signal) => followEvents(deps, after, signal),
    ralphStream: (name, options) => readRalphStream(socketPath, name, options),
    terminal: (request) => openTerminal(socketPath, request),
    shell: (vm) => openShell(socketPath, vm),
  };
}

const retryMs = 1000;

async function* followEvents(
  deps: { socketPath: string; clock: Clock },
  after: number,
  signal: AbortSignal,
): AsyncGenerator<FleetEventView> {
  let last = after;
  while (!signal.aborted) {
    try {
      for await (const message of openStream(deps.socketPath, `${streamPaths.events}?after=${last}`, signal)) {
        const event = JSON.parse(message.data) as FleetEventView;
        if (event.seq <= last) continue;
        last = event.seq;
        yield event;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isFleetError(error, 'daemon_unavailable')) throw error;
    }
    try {
      await deps.clock.sleep(retryMs, signal);
    } catch {
      return;
    }
  }
}

async function* readRalphStream(
  socketPath: string,
  name: string,
  options: { after: number; follow: boolean; signal: AbortSignal },
): AsyncGenerator<StreamLine> {
  const path = fillPath(streamPaths.ralphStream, { name });
  const query = toQuery({ after: options.after, follow: options.follow ? 1 : 0 });
  for await (const message of openStream(socketPath, path + query, options.signal)) {
    if (message.event === 'end') return;
    yield JSON.parse(message.data) as StreamLine;
  }
}

async function* openStream(socketPath: string, path: string, signal: AbortSignal) {
  const headers = { accept: 'text/event-stream' };
  const answer = await send({ socketPath, method: 'GET', path, headers, signal, idleMs: 0 });
  if (answer.statusCode !== 200) {
    throw fromErrorBody(safeJson(await readText(answer)), answer.statusCode ?? 0);
  }
  try {
    yield* readSse(answer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
  } finally {
    answer.destroy();
  }
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function toQuery(query: Record<string, unknown> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const text = new URLSearchParams(given.map(([key, value]): [string, string] => [key, String(value)])).toString();
  return text === '' ? '' : `?${text}`;
}
