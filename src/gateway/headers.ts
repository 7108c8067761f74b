import type { IncomingHttpHeaders } from 'node:http';
import type { Provider } from '../domain/credential.ts';

/**
 * Lists of what may pass, in both directions; everything else is dropped. So the guest's token and cookies never reach the
 * upstream, and the upstream's cookies and account names never reach the guest. `accept-encoding` is not passed: the answer
 * must be readable for the meter.
 */
const requestNames = new Set([
  'accept',
  'content-type',
  'content-length',
  'user-agent',
  'anthropic-version',
  'anthropic-beta',
  'x-app',
  'x-claude-code-session-id',
]);
const requestPrefixes = ['x-stainless-'];
const responseNames = new Set([
  'content-type',
  'content-length',
  'content-encoding',
  'cache-control',
  'date',
  'request-id',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
]);
const responsePrefixes = ['anthropic-ratelimit-'];

export type Headers = Record<string, string>;

export function requestHeaders(from: IncomingHttpHeaders): Headers {
  return pick(from, requestNames, requestPrefixes);
}

const oauthBeta = 'oauth-2025-04-20';

/** How the host's own credential goes up. An OAuth token of Anthropic's is taken as a bearer only, and only where the request says so. */
export function withCredential(
  headers: Headers,
  provider: Provider,
  { key, isSubscription }: { key: string; isSubscription: boolean },
): Headers {
  if (provider === 'openai') return { ...headers, authorization: `Bearer ${key}` };
  if (!isSubscription) return { ...headers, 'x-api-key': key };
  const betas = (headers['anthropic-beta'] ?? '').split(',').map((name) => name.trim());
  const merged = [...betas.filter((name) => name !== '' && name !== oauthBeta), oauthBeta];
  return { ...headers, authorization: `Bearer ${key}`, 'anthropic-beta': merged.join(',') };
}

/**
 * Whether an answer turns the credential down, and not what was asked for: 401 always does; 403 only where its words speak of
 * the token, key, account or organisation, since it is also the answer to a model this account may not use.
 */
export function turnsDown(status: number, said: string): boolean {
  if (status === 401) return true;
  return status === 403 && turningDown.test(said);
}
const turningDown =
  /(token|key|credential|account|organi[sz]ation|subscription)[^"]{0,60}\b(revoked|expired|invalid|disabled|suspended|deactivated|not allowed|blocked)|\b(revoked|expired|invalid|disabled|suspended|deactivated)\b[^"]{0,40}(token|key|credential|account|organi[sz]ation|subscription)|not allowed for this organi[sz]ation|authentication_error/i;

/** Whether an answer says that there is no such model, or not for this account; `said`: its body, or the beginning of it. */
export function knowsNoModel(status: number, said: string): boolean {
  return (
    (status === 404 && said.includes('"not_found_error"')) || (status >= 400 && said.includes('"model_not_found"'))
  );
}

export function responseHeaders(from: IncomingHttpHeaders): Headers {
  return pick(from, responseNames, responsePrefixes);
}

function pick(from: IncomingHttpHeaders, names: ReadonlySet<string>, prefixes: readonly string[]): Headers {
  const kept: Headers = {};
  for (const [name, value] of Object.entries(from)) {
    if (value === undefined) continue;
    if (!names.has(name) && !prefixes.some((prefix) => name.startsWith(prefix))) continue;
    kept[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return kept;
}

/** The token of a guest's request; Claude Code sends either header, by the kind of credential it was given. */
export function guestToken(headers: IncomingHttpHeaders): string | null {
  const key = headers['x-api-key'];
  if (typeof key === 'string' && key !== '') return key;
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '');
  return bearer?.[1] ?? null;
}
