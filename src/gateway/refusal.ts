import type { ServerResponse } from 'node:http';
import type { Api } from './apis.ts';

/** Why a request gets no answer of the provider's. */
export type RefusalKind =
  | 'over-budget'
  | 'limited'
  | 'token'
  | 'no-credential'
  | 'unreachable'
  | 'stopping'
  | 'held'
  | 'invalid'
  | 'too-large'
  | 'not-found';

interface Form {
  status: number;
  type: string;
  /** Whether the agent CLI should ask again. */
  retry: boolean;
}

/**
 * In the form on which each agent CLI does the right thing, measured against the real programs (docs/decisions/0006): over budget
 * ends Claude Code, Codex and OpenCode after one request, and so does a usage limit; what passes by itself is asked again.
 */
const anthropic: Readonly<Record<RefusalKind, Form>> = {
  'over-budget': { status: 402, type: 'billing_error', retry: false },
  limited: { status: 429, type: 'rate_limit_error', retry: false },
  token: { status: 403, type: 'permission_error', retry: false },
  'no-credential': { status: 403, type: 'permission_error', retry: false },
  unreachable: { status: 502, type: 'api_error', retry: true },
  stopping: { status: 503, type: 'overloaded_error', retry: true },
  held: { status: 503, type: 'overloaded_error', retry: true },
  invalid: { status: 400, type: 'invalid_request_error', retry: false },
  'too-large': { status: 413, type: 'request_too_large', retry: false },
  'not-found': { status: 404, type: 'not_found_error', retry: false },
};

const openai: Readonly<Record<RefusalKind, Form>> = {
  ...anthropic,
  'over-budget': { status: 400, type: 'insufficient_quota', retry: false },
  limited: { status: 400, type: 'insufficient_quota', retry: false },
  token: { status: 400, type: 'invalid_request_error', retry: false },
  'no-credential': { status: 400, type: 'invalid_request_error', retry: false },
  unreachable: { status: 502, type: 'server_error', retry: true },
  stopping: { status: 503, type: 'server_error', retry: true },
  held: { status: 503, type: 'server_error', retry: true },
};

export function formOf(api: Api | null, kind: RefusalKind): Form {
  return (api?.provider === 'openai' ? openai : anthropic)[kind];
}

interface Said {
  kind: RefusalKind;
  message: string;
  retryAfterS?: number | null;
}

/** Answers, unless an answer has begun: then nothing but an end can be said. */
export function answerRefusal(
  res: ServerResponse,
  api: Api | null,
  { kind, message, retryAfterS = kind === 'held' ? 5 : null }: Said,
): void {
  if (res.headersSent) return void res.destroy();
  const { status, type, retry } = formOf(api, kind);
  const error = api?.provider === 'openai' ? { message, type, param: null, code: type } : { type, message };
  const body = JSON.stringify(api?.provider === 'openai' ? { error } : { type: 'error', error });
  res.writeHead(status, {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'x-should-retry': String(retry),
    ...(retryAfterS === null ? {} : { 'retry-after': String(retryAfterS) }),
    // What is left of the request is not waited for.
    connection: 'close',
  });
  res.end(body);
}
