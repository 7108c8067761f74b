import { expect, it } from 'vitest';
import { anIteration, aRun, base, head, now } from '../../test/support/rows.ts';
import type { CheckRun } from './check.ts';
import { type CheckHistory, checkStandings, passedBefore } from './check-history.ts';

const other = 'd'.repeat(40);

/** A run whose checks `ids` passed; the others of a, b, c failed. */
function run(id: string, ids: string, at: number, more: Partial<CheckRun> = {}): CheckRun {
  const results = ['a', 'b', 'c'].map((check) => {
    const passed = ids.includes(check);
    return { id: check, passed, exitCode: passed ? 0 : 1, timedOut: false, ms: 1, tail: '' };
  });
  return aRun({ id, results, phase: 'failed', startedAt: now + at, iteration: `it-${at}`, commit: other, ...more });
}

const history: CheckHistory = {
  checkRuns: [
    run('ck-3', 'a', 3),
    run('ck-0', 'bc', 0, { kind: 'baseline', iteration: null }),
    run('ck-1', 'ab', 1),
    run('ck-2', '', 2, { phase: 'infra' }),
    run('ck-9', 'abc', 1, { base: head }),
    run('ck-8', 'abc', 1, { kind: 'verify' }),
    run('ck-7', 'abc', 9),
  ],
  iterations: [anIteration({ id: 'it-1', n: 1 }), anIteration({ id: 'it-3', n: 3 })],
};

it('knows when a check passed last, on this base and before this run', () => {
  const failed = run('ck-4', '', 4, { kind: 'loop' });
  expect(passedBefore(history, failed)).toEqual(
    new Map([
      ['a', 'after iteration 3'],
      ['b', 'after iteration 1'],
      ['c', 'before any work'],
    ]),
  );
  expect(passedBefore({ ...history, checkRuns: [] }, failed)).toEqual(new Map());
});

it('tells a clean VM from the workspace on one commit', () => {
  const verify = run('ck-4', '', 4, { kind: 'verify', commit: other });
  expect(passedBefore(history, verify).get('a')).toBe('after iteration 3, on this very commit');
});

it('tells how each check stands', () => {
  const checks = ['a', 'c', 'new'].map((id) => ({ id, description: '', run: 'x', timeoutSeconds: 1 }));
  const until3 = { ...history, checkRuns: history.checkRuns.filter(({ id }) => id !== 'ck-7') };
  expect([...checkStandings(checks, base, until3).values()]).toEqual([
    'Before any work it failed. Last it passed.',
    'Before any work it passed. Last it failed.',
    'Not run before the work.',
  ]);
});
