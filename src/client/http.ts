import type { IncomingMessage } from 'node:http';
import { FleetError, isFleetError } from '../lib/errors.ts';

/**
 * node:http without its lazy exports: an `import` statement would evaluate them all, a WebSocket client among them, and `status`
 * would take 50 ms longer.
 */
export const { request } = process.getBuiltinModule('node:http');

/** HTTP over the daemon's unix socket. */
export interface HttpRequest {
  socketPath: string;
  method: 'GET' | 'POST';
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Silence longer than this fails; 0 = wait for ever (streams). */
  idleMs?: number;
}

const defaultIdleMs = 30_000;
const maxAnswerBytes = 128 * 1024 * 1024;

/** Sends it and resolves with the open answer. Throws `daemon_unavailable` when nobody listens. */
export function send(wanted: HttpRequest): Promise<IncomingMessage> {
  const body = wanted.body === undefined ? undefined : JSON.stringify(wanted.body);
  return new Promise((resolve, reject) => {
    const outgoing = request({
      socketPath: wanted.socketPath,
      method: wanted.method,
      path: wanted.path,
      headers: {
        host: 'ralph-fleet',
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        ...wanted.headers,
      },
      ...(wanted.signal ? { signal: wanted.signal } : {}),
    });
    const idleMs = wanted.idleMs ?? defaultIdleMs;
    outgoing.setTimeout(idleMs, () => outgoing.destroy(silent(wanted, idleMs)));
    outgoing.on('error', (cause) => reject(asUnavailable(cause, wanted.socketPath)));
    outgoing.on('response', resolve);
    outgoing.end(body);
  });
}

/** Sends it and reads the JSON answer; the caller judges the status. */
export async function sendJson(wanted: HttpRequest): Promise<{ status: number; body: unknown }> {
  const answer = await send(wanted);
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of answer) {
      size += (part as Buffer).length;
      if (size > maxAnswerBytes)
        throw new FleetError('too_large', `The daemon's answer to \`${wanted.path}\` is too large.`);
      parts.push(part as Buffer);
    }
  } catch (cause) {
    throw asUnavailable(cause, wanted.socketPath);
  }
  const status = answer.statusCode ?? 0;
  const text = Buffer.concat(parts).toString('utf8');
  try {
    return { status, body: text === '' ? null : JSON.parse(text) };
  } catch (cause) {
    throw new FleetError(
      'bug',
      `The daemon answered \`${wanted.path}\` with ${status} and something that is no JSON.`,
      {
        cause,
      },
    );
  }
}

export function asUnavailable(cause: unknown, socketPath: string): unknown {
  if (isFleetError(cause) || (cause instanceof Error && cause.name === 'AbortError')) return cause;
  const code = (cause as NodeJS.ErrnoException).code;
  const missing = code === 'ENOENT' || code === 'ECONNREFUSED';
  const found = missing ? 'it does not run' : `the connection broke (${code ?? 'no reason given'})`;
  return new FleetError('daemon_unavailable', `Cannot reach the daemon at \`${socketPath}\`: ${found}.`, {
    remedy: missing ? 'ralph-fleet up   or   ralph-fleet daemon start' : 'ralph-fleet daemon status',
    details: { missing },
    cause,
  });
}

/** Nobody listens; otherwise somebody does and does not answer as a daemon should. */
export function isMissing(error: unknown): boolean {
  return isFleetError(error, 'daemon_unavailable') && error.details['missing'] === true;
}

function silent(wanted: HttpRequest, idleMs: number): FleetError {
  const text = `The daemon did not answer \`${wanted.method} ${wanted.path}\` within ${idleMs / 1000} s.`;
  return new FleetError('daemon_unavailable', text, { remedy: 'ralph-fleet daemon status' });
}
