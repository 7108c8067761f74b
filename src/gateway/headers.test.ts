import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guestToken, requestHeaders, responseHeaders, retryAtOf } from './headers.ts';

describe('header lists', () => {
  it('never passes credentials, cookies or hop headers up', () => {
    const kept = requestHeaders({
      'x-api-key': 'rft_1',
      authorization: 'Bearer rft_1',
      cookie: 'a=b',
      'proxy-authorization': 'x',
      host: 'guest',
      connection: 'close',
      'accept-encoding': 'gzip',
      'transfer-encoding': 'chunked',
      'x-forwarded-for': '1.2.3.4',
      'anthropic-version': '2023-06-01',
      'x-stainless-lang': 'js',
    });
    expect(kept).toEqual({ 'anthropic-version': '2023-06-01', 'x-stainless-lang': 'js' });
  });

  it('never passes cookies or account names down', () => {
    const kept = responseHeaders({
      'set-cookie': ['a=b'],
      'anthropic-organization-id': 'org',
      'x-api-key': 'echo',
      'request-id': 'req_1',
      'anthropic-ratelimit-unified-status': 'allowed',
    });
    expect(kept).toEqual({ 'request-id': 'req_1', 'anthropic-ratelimit-unified-status': 'allowed' });
  });

  it('passes no header that is not on the list, whatever it is', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        fc.pre(!/^(accept|content-|user-agent|anthropic-|x-)/.test(name));
        expect(requestHeaders({ [name]: 'v' })).toEqual({});
      }),
    );
  });
});

describe('guestToken', () => {
  it('takes x-api-key or a bearer token', () => {
    expect(guestToken({ 'x-api-key': 'a', authorization: 'Bearer b' })).toBe('a');
    expect(guestToken({ authorization: 'bearer  b' })).toBe('b');
    expect(guestToken({ authorization: 'Basic b' })).toBeNull();
    expect(guestToken({ 'x-api-key': '' })).toBeNull();
    expect(guestToken({})).toBeNull();
  });
});

describe('retryAtOf', () => {
  const now = Date.parse('2026-11-21T00:00:00Z');
  it('believes the reset of a rejected window, else retry-after, in seconds or as a date', () => {
    const reset = { 'anthropic-ratelimit-unified-reset': '1795232125' };
    expect(
      retryAtOf(429, { ...reset, 'anthropic-ratelimit-unified-status': 'rejected', 'retry-after': '5' }, now),
    ).toBe(1795232125_000);
    expect(retryAtOf(429, { ...reset, 'retry-after': '5' }, now)).toBe(now + 5000);
    expect(retryAtOf(429, { 'retry-after': 'Sat, 21 Nov 2026 00:01:00 GMT' }, now)).toBe(now + 60_000);
    expect(retryAtOf(429, reset, now)).toBe(1795232125_000);
    expect(retryAtOf(429, { 'retry-after': 'soon' }, now)).toBeNull();
    expect(retryAtOf(200, { 'retry-after': '5' }, now)).toBeNull();
  });
});
