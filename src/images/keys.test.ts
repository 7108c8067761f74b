import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashOf } from './cache.ts';
import { explain } from './debian/bootstrap.ts';
import { preparedKey } from './prepared.ts';
import { toolsFor } from './tools.ts';

describe('hashOf', () => {
  it('tells any two different lists apart and equal ones not', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.array(fc.string()), (a, b) => {
        expect(hashOf(a) === hashOf(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
    expect(hashOf(['ab', 'c'])).not.toBe(hashOf(['a', 'bc']));
    expect(hashOf([])).toMatch(/^[0-9a-f]{16}$/);
  });
});

describe('preparedKey', () => {
  const inputs = { image: '0123456789abcdef', packages: ['a'], run: 'npm ci', inputs: 'aa' };
  it('changes with each of its inputs', () => {
    const others = [
      { image: 'x' },
      { run: 'npm i' },
      { run: null },
      { inputs: 'ab' },
      { packages: [] },
      { packages: ['a', 'npm ci'], run: null },
    ];
    const keys = [inputs, ...others.map((other) => ({ ...inputs, ...other }))].map(preparedKey);
    expect(new Set(keys).size).toBe(7);
    expect(preparedKey({ ...inputs })).toBe(keys[0]);
  });
});

describe('toolsFor', () => {
  it('knows the pinned agent CLIs and refuses others, also odd names', () => {
    expect(toolsFor([]).map((tool) => tool.package)).toEqual(['npm']);
    expect(toolsFor(['scripted'])).toHaveLength(1);
    expect(toolsFor(['claude'])[1]?.version).toBe('2.1.329');
    for (const bad of ['toString', '__proto__', '../x', 'codex'])
      expect(() => toolsFor([bad])).toThrow(/image\.agents/);
  });
});

describe('explain', () => {
  const job = { mirror: 'http://m.example/debian', aside: '/x' };
  it.each([
    ['cp: error writing: No space left on device', 'storage', 'disk'],
    [
      "W: Failed to fetch http://m.example/ Temporary failure resolving 'm.example'",
      'image_failed',
      'image.debianMirror',
    ],
    ['The following signatures couldn’t be verified: NO_PUBKEY 1234', 'image_failed', 'debian-archive-keyring'],
    ['something else', 'image_failed', 'same command'],
  ])('%s', (said, code, remedy) => {
    expect(explain(new Error(said), job)).toMatchObject({ code, remedy: expect.stringContaining(remedy) });
  });
});
