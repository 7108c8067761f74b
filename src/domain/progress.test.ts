import { expect, it } from 'vitest';
import type { CheckResult } from '../domain/check.ts';
import { progressDigest, stagnantAfter } from './progress.ts';

const result = (id: string, passed: boolean, tail = ''): CheckResult => ({
  id,
  passed,
  exitCode: passed ? 0 : 1,
  timedOut: false,
  ms: tail.length,
  tail,
});

it('does not move with times, output or the order of checks', () => {
  expect(progressDigest('t', [result('a', true, 'x'), result('b', false)])).toBe(
    progressDigest('t', [result('b', false, '12 ms'), result('a', true)]),
  );
});

it('moves with the tree and with a check', () => {
  const digest = progressDigest('t', [result('a', false)]);
  expect(progressDigest('u', [result('a', false)])).not.toBe(digest);
  expect(progressDigest('t', [result('a', true)])).not.toBe(digest);
});

it('counts the iterations that moved nothing', () => {
  expect(stagnantAfter({ progressDigest: null, stagnant: 0 }, 'd')).toBe(0);
  expect(stagnantAfter({ progressDigest: 'd', stagnant: 1 }, 'd')).toBe(2);
  expect(stagnantAfter({ progressDigest: 'c', stagnant: 2 }, 'd')).toBe(0);
});
