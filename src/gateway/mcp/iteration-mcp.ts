import type { IncomingMessage, ServerResponse } from 'node:http';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { iterationMcpPath } from '../../domain/signal.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { BodyTooLarge, createBodies } from '../budget/body.ts';
import type { Ledger, OpenGrant } from '../ledger/ledger.ts';
import { type Traces, toolSpan } from '../traces/traces.ts';
import { createCallRate, createToolServer, type ToolDeps } from './tools.ts';

/**
 * The MCP server of an iteration (streamable HTTP), at the guest's one address beside the model APIs. Each request stands alone: no
 * session, no stream that stays open. The caller has checked the token, and ends `signal` with the grant.
 */
export interface IterationMcp {
  /** `onBody` once the request is there in full. */
  serve(call: McpCall, req: IncomingMessage, res: ServerResponse): Promise<void>;
}

export interface McpCall {
  vm: string;
  grant: OpenGrant;
  signal: AbortSignal;
  onBody: () => void;
}

/** A tool's largest call and what stands around it. */
const bodyLimits = { maxBytes: 128 * 1024, perVmBytes: 512 * 1024 };
const headerNames = ['accept', 'content-type', 'mcp-protocol-version', 'mcp-method', 'mcp-name'];

export function createIterationMcp(deps: { ledger: Ledger; traces: Traces; clock: Clock; log: Log }): IterationMcp {
  const { log } = deps;
  const bodies = createBodies(bodyLimits);
  const tools = { ledger: deps.ledger, mayCall: createCallRate(deps.clock) };

  async function answer({ vm, grant, signal, onBody }: McpCall, req: IncomingMessage): Promise<Response> {
    const method = req.method ?? '';
    if (method !== 'POST') return failure(405, 'Only POST is served here.', { allow: 'POST' });
    const body = await bodies.read(vm, req, signal);
    body.release();
    onBody();
    const onerror = (error: Error) => log.debug({ vm, task: grant.task, err: error.message }, 'MCP request refused');
    const { now } = deps.clock;
    const start = now();
    const parent = req.headers['traceparent'];
    const onCall: ToolDeps['onCall'] = (verb, isError) =>
      deps.traces.of(grant)?.span(toolSpan(verb, { start, end: now() }, isError), parent);
    const handler = createMcpHandler(() => createToolServer({ ...tools, onCall }, grant), {
      maxSubscriptions: 0,
      onerror,
    });
    const headers = headerNames.flatMap((name): [string, string][] => {
      const value = req.headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    });
    return handler.fetch(
      new Request(`http://gateway${iterationMcpPath}`, { method, headers, body: body.bytes, signal }),
    );
  }

  return {
    serve: async (call, req, res) => {
      const given = await answer(call, req).catch((error: unknown) => {
        if (error instanceof BodyTooLarge) return failure(413, error.message, { connection: 'close' });
        throw error;
      });
      const bytes = Buffer.from(await given.arrayBuffer());
      call.signal.throwIfAborted();
      res.writeHead(given.status, { ...Object.fromEntries(given.headers), 'content-length': String(bytes.length) });
      res.end(bytes);
    },
  };
}

function failure(status: number, message: string, headers: Record<string, string>): Response {
  const body = JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32_600, message } });
  return new Response(body, { status, headers: { 'content-type': 'application/json', ...headers } });
}
