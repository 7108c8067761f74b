import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guestToken, knowsNoModel, requestHeaders, responseHeaders } from './headers.ts';

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

describe('knowsNoModel', () => {
  const anthropic = '{"type":"error","error":{"type":"not_found_error","message":"model: opus-99"}}';
  const openai =
    '{"error":{"message":"The model `x` does not exist","type":"invalid_request_error","code":"model_not_found"}}';

  it.each([
    [404, anthropic, true],
    [404, openai, true],
    [403, openai, true],
    [400, anthropic, false],
    [404, '<html>not found</html>', false],
    [200, openai, false],
    [401, '', false],
  ])('%i %s is %s', (status, said, known) => expect(knowsNoModel(status, said)).toBe(known));
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
