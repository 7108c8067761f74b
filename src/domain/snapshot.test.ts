import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aSnapshot, aTask, aVm } from '../../test/support/rows.ts';
import { isInUse, type Snapshot, sayOrigin, snapshotsToDrop } from './snapshot.ts';

const nth = (n: number, more: Partial<Snapshot> = {}) =>
  aSnapshot({ id: `0000000${n}`, iteration: `it-${n}`, n, ...more });
const dropped = (rows: Snapshot[], keep: number, good: string[] = [], sparing = false) =>
  snapshotsToDrop(rows, { keep, isGood: (iteration) => good.includes(iteration), sparing }).map(({ n }) => n);

describe('what policy lets go of', () => {
  it('is all but the last ones and the last good one', () => {
    const rows = [1, 2, 3, 4, 5].map((n) => nth(n));
    expect(dropped(rows, 2)).toEqual([3, 2, 1]);
    expect(dropped(rows, 2, ['it-1', 'it-2'])).toEqual([3, 1]);
    expect(dropped(rows, 2, ['it-5', 'it-1'])).toEqual([3, 2, 1]);
    expect(dropped(rows, 0, ['it-3'])).toEqual([5, 4, 2, 1]);
  });

  it('is more where room is what counts: the last good one stays, or the newest while none is good', () => {
    const rows = [1, 2, 3, 4].map((n) => nth(n));
    expect(dropped(rows, 2, ['it-1', 'it-2'], true)).toEqual([4, 3, 1]);
    expect(dropped(rows, 2, [], true)).toEqual([3, 2, 1]);
    expect(dropped(rows, 0, [], true)).toEqual([4, 3, 2, 1]);
    expect(dropped([nth(1, { why: 'person' }), nth(2), nth(3, { phase: 'wanted' })], 2, ['it-2'], true)).toEqual([]);
  });

  it('is never what a person asked for, what is being taken, or the newest try', () => {
    const rows = [nth(1, { why: 'person' }), nth(2, { phase: 'failed' }), nth(3), nth(4, { phase: 'failed' })];
    expect(dropped(rows, 1)).toEqual([2]);
    expect(dropped([nth(1, { phase: 'wanted' }), nth(2)], 0)).toEqual([2]);
    expect(dropped([nth(1), nth(2, { phase: 'wanted' })], 1)).toEqual([]);
  });

  it('leaves the newest good one, and no more than asked for beside it', () => {
    const row = fc.record({ n: fc.integer({ min: 1, max: 9 }), isGood: fc.boolean() });
    const rows = fc.uniqueArray(row, { selector: ({ n }) => n });
    fc.assert(
      fc.property(rows, fc.integer({ min: 0, max: 4 }), fc.boolean(), (all, keep, sparing) => {
        const good = all.filter((one) => one.isGood).map(({ n }) => n);
        const gone = dropped(
          all.map(({ n }) => nth(n)),
          keep,
          good.map((n) => `it-${n}`),
          sparing,
        );
        const left = all.map(({ n }) => n).filter((n) => !gone.includes(n));
        if (good.length > 0) expect(left).toContain(Math.max(...good));
        expect(left.length).toBeLessThanOrEqual(sparing ? 1 : keep + 1);
        expect(left.length).toBeGreaterThanOrEqual(Math.min(sparing ? 1 : keep, keep, all.length));
      }),
    );
  });
});

it('is in use by a VM without a disk yet, and by a task that was put back to it', () => {
  const snapshot = aSnapshot();
  const origin = { snapshot: snapshot.id, vm: '0000000b', task: 'T1', n: 1, commit: null };
  const used = (vm: Parameters<typeof aVm>[0], task: Parameters<typeof aTask>[0] = {}) =>
    isInUse(snapshot, { vms: [aVm(vm)], tasks: [aTask(task)] });
  expect(used({ phase: 'preparing', origin })).toBe(true);
  expect(used({ phase: 'preparing', desired: 'gone', origin })).toBe(false);
  expect(used({ phase: 'starting', origin })).toBe(false);
  expect(used({ phase: 'preparing' })).toBe(false);
  const rewind = { to: 1, commit: 'c', snapshot: snapshot.id, isDone: true };
  expect(used({}, { rewind })).toBe(true);
  expect(used({}, { rewind, phase: 'cancelled' })).toBe(false);
});

it('is said in a person’s words', () => {
  expect(sayOrigin({ vm: '0000000a', task: 'T2', n: 4 })).toBe('rf-0000000a at iteration 4 of T2');
  expect(sayOrigin({ vm: '0000000a', task: null, n: null })).toBe('rf-0000000a');
});
