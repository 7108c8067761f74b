import { describe, expect, it } from 'vitest';
import { sayNoNetwork } from './registry.ts';

describe('a setup that wanted a network', () => {
  it.each([
    'npm error code EAI_AGAIN\nnpm error request to a registry failed',
    'npm error 403 Forbidden - GET http://127.0.0.1:4141/registry/npm/ms',
    'curl: (6) Could not resolve host: example.org',
    "fatal: unable to access: Couldn't resolve host",
    'ERROR: [Errno -3] Temporary failure in name resolution',
    'connect: Network is unreachable',
  ])('%s', (output) => {
    expect(sayNoNetwork(output, [])).toContain('here nothing: npm');
    expect(sayNoNetwork(output, ['npm', 'debian'])).toContain('here npm, debian:');
  });

  it('is not guessed at from any other failure', () => {
    expect(sayNoNetwork('make: *** [all] Error 2\n403 tests passed', [])).toBeNull();
    expect(sayNoNetwork('', ['npm'])).toBeNull();
  });
});
