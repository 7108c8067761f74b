import { describe, expect, it } from 'vitest';
import { aReplay, aRun, head, now } from '../../test/support/rows.ts';
import { findFlaky } from './flaky.ts';
import { type CheckFacts, compareReplay, type Replay, runsToMake, verdictOf } from './replay.ts';

const other = 'd'.repeat(40);
const facts = (more: Partial<CheckFacts> = {}) => ({
  ...{ id: 'c', passed: true, exitCode: 0, timedOut: false, ms: 1, tail: '' },
  ...more,
});
const run = (results: ReturnType<typeof facts>[], more: Partial<Replay['runs'][number]> = {}) => ({
  ...{ job: 'rp-0000000a-c0', variant: 'as-committed' as const, vm: '0000000a', phase: 'ended' as const },
  ...{ results, startedAt: now, endedAt: now },
  ...more,
});
const ended = (results: ReturnType<typeof facts>[]) => aReplay({ phase: 'ended', runs: [run(results)] });

describe('a replay', () => {
  it('is the same when each check ends as it did, however long it took', () => {
    expect(verdictOf(ended([facts({ ms: 99_999 })]))).toBe('same');
  });

  it.each([
    ['fails now', [facts({ passed: false, exitCode: 1 })]],
    ['fails otherwise', [facts({ exitCode: 2 })]],
    ['runs out of time now', [facts({ timedOut: true })]],
    ['is missing', []],
    ['has company', [facts(), facts({ id: 'new' })]],
  ])('is different when a check %s', (_, results) => {
    expect(verdictOf(ended(results))).toBe('different');
  });

  it('has no verdict before its end, nor where it came to none', () => {
    for (const phase of ['wanted', 'running', 'failed', 'cancelled'] as const)
      expect(verdictOf({ ...ended([facts()]), phase })).toBe(null);
    expect(verdictOf(aReplay({ phase: 'ended', recorded: { ...aReplay().recorded, runs: [] } }))).toBe('different');
  });

  it('looks at both variants where they have trees of their own', () => {
    const restored = { variant: 'restored' as const, tested: other, results: [facts()] };
    const recorded = { ...aReplay().recorded, runs: [...aReplay().recorded.runs, restored] };
    const replay = aReplay({ phase: 'ended', recorded, runs: [run([facts()])] });
    expect(compareReplay(replay).map((row) => [row.variant, row.isSame])).toEqual([
      ['as-committed', true],
      ['restored', false],
    ]);
    const same = { ...recorded, runs: recorded.runs.map((one) => ({ ...one, tested: head })) };
    expect(runsToMake({ recorded: same, commit: head })).toHaveLength(1);
  });
});

describe('a flaky check', () => {
  const failed = aRun({ kind: 'verify', phase: 'failed', results: [facts({ passed: false, exitCode: 1 })] });

  it('has passed and failed on one tree, wherever that was', () => {
    const found = [{ check: 'c', commit: head, passed: 1, runs: 2 }];
    expect(findFlaky([aRun(), failed])).toEqual(found);
    expect(findFlaky([aRun()], [ended([facts({ passed: false, exitCode: 1 })])])).toEqual(found);
  });

  it('is none where the trees differ, where it always ends alike, or where a run says nothing', () => {
    expect(findFlaky([aRun(), { ...failed, tested: other }])).toEqual([]);
    expect(findFlaky([failed, failed])).toEqual([]);
    expect(findFlaky([aRun(), { ...failed, phase: 'infra' }])).toEqual([]);
  });

  it('is counted once where nothing was put back: that variant took over what the other came to', () => {
    const restored = aRun({ kind: 'verify', variant: 'restored' });
    expect(findFlaky([aRun(), failed, restored])).toEqual([{ check: 'c', commit: head, passed: 1, runs: 2 }]);
  });
});
