import { expect, test } from 'vitest';
import { leavesRepository } from './clean-tree.ts';

test.each([
  ['a', 'b', false],
  ['src/a', '../b', false],
  ['a', '/etc/passwd', true],
  ['a', '../b', true],
  ['src/a', '../../b', true],
  ['src/a', 'x/../../../b', true],
  ['a', '..', true],
  ['a', '.git/config', true],
  ['src/a', '../.GIT/config', true],
  ['a', '..\\b', true],
  ['a', '..b', false],
])('a link %s -> %s leaves: %s', (path, target, leaves) => {
  expect(leavesRepository(path, target)).toBe(leaves);
});
