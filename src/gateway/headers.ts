import type { IncomingHttpHeaders } from 'node:http';

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
