import { describe, expect, it } from 'vitest';
import { nearest } from './nearest.ts';

describe('nearest', () => {
  it.each([
    ['stauts', 'status'],
    ['sumbit', 'submit'],
    ['memoryMb', 'memoryMiB'],
    ['appr', 'approve'],
  ])('takes %s for %s', (typed, meant) => {
    expect(nearest(typed, ['status', 'submit', 'memoryMiB', 'approve', 'down'])[0]).toBe(meant);
  });

  it('offers nothing for what is like nothing, and at most three', () => {
    expect(nearest('zzzzzz', ['status', 'submit'])).toEqual([]);
    expect(nearest('x'.repeat(1e6), ['status'])).toEqual([]);
    expect(nearest('T4', ['T40', 'T41', 'T42', 'T43'])).toEqual(['T40', 'T41', 'T42']);
  });
});
