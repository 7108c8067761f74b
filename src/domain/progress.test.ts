import { expect, it } from 'vitest';
import type { CheckResult } from '../domain/check.ts';
import { type Progress, progressAfter, progressDigest } from './progress.ts';

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

/** `stagnant` after each of these states. */
function counted(states: string): number[] {
  let progress: Progress = { recentDigests: [], stagnant: 0 };
  return [...states].map((state) => {
    progress = progressAfter(progress, state);
    return progress.stagnant;
  });
}

it.each([
  ['AAAA', [0, 1, 2, 3]],
  ['ABCD', [0, 0, 0, 0]],
  ['ABABAB', [0, 0, 1, 2, 3, 4]],
  ['ABCABC', [0, 0, 0, 1, 2, 3]],
  ['AABC', [0, 1, 0, 0]],
  ['ABAC', [0, 0, 1, 0]],
])('counts the iterations that moved nothing: %s', (states, expected) => {
  expect(counted(states)).toEqual(expected);
});

it('remembers a state for a while only', () => {
  expect(counted('ABCDEFGHIA').at(-1)).toBe(0);
  expect(counted('ABCDEFGHA').at(-1)).toBe(1);
});
