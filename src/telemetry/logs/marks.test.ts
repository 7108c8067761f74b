import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addMark, dropMarks, type Mark } from './marks.ts';

const grown = (sizes: readonly number[]) =>
  sizes.reduce<readonly Mark[]>((marks, size, at) => addMark(marks, size, 1000 + at), []);

it('keeps when bytes were first seen', () => {
  expect(grown([10, 10, 30])).toEqual([
    [10, 1000],
    [30, 1002],
  ]);
  expect(dropMarks(grown([10, 20, 30]), 20)).toEqual([[30, 1002]]);
  expect(dropMarks(grown([10]), 10)).toEqual([]);
  // A clock that goes back gives no earlier time.
  expect(addMark([[10, 1000]], 20, 500)).toEqual([
    [10, 1000],
    [20, 1000],
  ]);
});

it('stays small, rises, ends at the size, and never says a time before the bytes were there', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 500 }), (steps) => {
      const sizes = steps.map((_, at) => steps.slice(0, at + 1).reduce((sum, step) => sum + step));
      const marks = grown(sizes);
      expect(marks.length).toBeLessThanOrEqual(65);
      expect(marks.at(-1)?.[0]).toBe(sizes.at(-1));
      marks.forEach(([offset, at], n) => {
        expect(at).toBe(1000 + sizes.indexOf(offset));
        expect(offset).toBeGreaterThan(marks[n - 1]?.[0] ?? 0);
      });
    }),
  );
});
