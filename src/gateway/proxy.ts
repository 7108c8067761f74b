import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { isAbort } from '../lib/errors.ts';
import { admit, createRefusalBook, type Refusal, whoOf } from './admission.ts';
import type { Credential } from './credentials.ts';
import { type ForwardDeps, forward } from './forward.ts';
import type { OpenGrant } from './ledger.ts';
import type { RegistryMirror } from './registry-mirror.ts';

/**
 * The Anthropic Messages API as guests see it. A connection comes with the VM whose tunnel brought it; a request is forwarded
 * only with a grant for that VM; a setup VM may read package registries (`registry-mirror.ts`). Everything else is 404.
 */
export interface ModelProxy {
  /** Serves HTTP on a stream that came out of this VM's tunnel. */
  accept(vm: string, stream: Duplex): void;
  openStreams(): number;
  /** Ends the open calls of a grant, or all. */
  endCalls(grant?: string): void;
  /** Refuses new requests from now on; resolves when the open ones are over, or were ended at the deadline. */
  drain(deadlineMs: number): Promise<void>;
}

interface OpenCall {
  grant: string;
  abort: AbortController;
}

const routes: Readonly<Record<string, 'message' | 'count' | 'hello'>> = {
  'POST /v1/messages': 'message',
  'POST /v1/messages/count_tokens': 'count',
  'HEAD /api/hello': 'hello',
  'GET /api/hello': 'hello',
};
const nobody = { grant: '', project: '', task: '', ralph: '', iteration: '' };

export function createProxy(deps: ForwardDeps & { credential: Credential; mirror: RegistryMirror }): ModelProxy {
  const vmOf = new WeakMap<object, string>();
  const openCalls = new Set<OpenCall>();
  const noteRefusal = createRefusalBook(deps);
  let isDraining = false;
  let onIdle: (() => void) | null = null;
  const server = createServer({ maxHeaderSize: 32 * 1024, requestTimeout: 0 }, (req, res) => {
    void handle(req, res).catch((error: unknown) => {
      deps.log.error({ err: String(error) }, 'request failed');
      res.destroy();
    });
  });
  server.on('clientError', (_error, stream) => stream.destroy());

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const vm = vmOf.get(req.socket);
    if (vm !== undefined && (await deps.mirror.serve(vm, req, res))) return;
    const [path = '', query = ''] = (req.url ?? '').split('?', 2);
    const route = routes[`${req.method} ${path}`];
    if (vm === undefined || route === undefined || !/^[\w=&.-]*$/.test(query)) {
      return answer(
        res,
        404,
        'not_found_error',
        `\`${String(req.method).slice(0, 20)}\` of this path is not served here.`,
      );
    }
    if (route === 'hello') return void res.writeHead(200, { 'content-length': '0' }).end();
    const admission = admit(deps, vm, req.headers);
    if (!admission.ok) return refuse(vm, res, admission.refusal);
    if (isDraining) return refuse(vm, res, stopping);
    const key = await deps.credential.read();
    if (key === null) return refuse(vm, res, { ...noCredential, who: whoOf(admission.grant) });
    if (res.closed) return; // gone while the credential was read
    const full = query === '' ? path : `${path}?${query}`;
    await callUp({ grant: admission.grant, key, path: full, metered: route === 'message' }, req, res);
  }

  async function callUp(
    call: { grant: OpenGrant; key: string; path: string; metered: boolean },
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<void> {
    const open: OpenCall = { grant: call.grant.id, abort: new AbortController() };
    openCalls.add(open);
    // An ssh channel that is gone answers writes never; only this event tells.
    res.once('close', () => open.abort.abort());
    try {
      await forward(deps, { ...call, signal: open.abort.signal }, req, res);
    } catch (error) {
      if (isAbort(error)) return void res.destroy();
      deps.log.warn({ grant: call.grant.id, err: describe(error) }, 'upstream did not answer');
      answer(res, 502, 'api_error', 'The gateway could not reach the model API.', true);
    } finally {
      openCalls.delete(open);
      if (openCalls.size === 0) onIdle?.();
    }
  }

  function refuse(vm: string, res: ServerResponse, refusal: Refusal): void {
    if (refusal.refused !== null) noteRefusal(vm, refusal);
    deps.log.warn({ vm, task: refusal.who.task, refused: refusal.refused }, 'request refused');
    answer(res, refusal.status, refusal.type, refusal.message, refusal.status === 503);
  }

  return {
    accept: (vm, stream) => {
      vmOf.set(stream, vm);
      server.emit('connection', stream);
    },
    openStreams: () => openCalls.size,
    endCalls: (grant) => {
      for (const call of openCalls) if (grant === undefined || call.grant === grant) call.abort.abort();
    },
    drain: async (deadlineMs) => {
      isDraining = true;
      const over = new AbortController();
      const idle = new Promise<void>((resolve) => {
        onIdle = resolve;
        if (openCalls.size === 0) resolve();
      });
      await Promise.race([idle, deps.clock.sleep(deadlineMs, over.signal).catch(() => {})]);
      over.abort();
      for (const call of openCalls) call.abort.abort();
      await idle;
    },
  };
}

const stopping: Refusal = {
  status: 503,
  type: 'overloaded_error',
  message: 'The gateway is stopping; ask again.',
  refused: null,
  who: nobody,
};
const noCredential: Refusal = {
  status: 403,
  type: 'permission_error',
  message: 'The host has no credential for the model API. Set ANTHROPIC_API_KEY there and start the gateway again.',
  refused: 'upstream',
  who: nobody,
};

function answer(res: ServerResponse, status: number, type: string, message: string, retry = false): void {
  if (res.headersSent) return void res.destroy();
  const body = JSON.stringify({ type: 'error', error: { type, message } });
  res.writeHead(status, {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'x-should-retry': String(retry),
    // What is left of the request is not waited for.
    connection: 'close',
  });
  res.end(body);
}

function describe(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown';
}
