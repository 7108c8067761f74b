import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isAtLeast, parseVersion, showVersion } from './version.ts';

it.each([
  ['tmux 3.3a', [3, 3]],
  ['QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)', [10, 0, 2]],
  ['git version 2.39.5 (Apple Git-154)', [2, 39, 5]],
  ['OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.20', [9, 2]],
  ['limactl version 2.0.1', [2, 0, 1]],
])('%s', (text, version) => {
  expect(parseVersion(text)).toEqual(version);
});

it('never throws, whatever a command prints', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      parseVersion(text);
    }),
  );
});

it('reads back what it shows, and orders it', () => {
  const part = fc.integer({ min: 0, max: 999_999 });
  fc.assert(
    fc.property(fc.tuple(part, part, part), fc.tuple(part, part, part), (a, b) => {
      expect(parseVersion(`x ${showVersion(a)} y`)).toEqual(a);
      expect(isAtLeast(a, a)).toBe(true);
      if (a.join() !== b.join()) expect(isAtLeast(a, b)).toBe(!isAtLeast(b, a));
    }),
  );
});

it('counts missing parts as 0', () => {
  expect(isAtLeast([3], [3, 0])).toBe(true);
  expect(isAtLeast([3], [3, 1])).toBe(false);
});
