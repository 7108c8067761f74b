import { expect, it } from 'vitest';
import { createSleepWatch } from './sleep.ts';

it('tells what the clock did while nobody looked, once', () => {
  const slept = createSleepWatch();
  const hour = 3_600_000;
  expect([1000, 2000, 100_000].map(slept)).toEqual([0, 0, 0]);
  expect([100_000 + hour, 101_000 + hour].map(slept)).toEqual([hour, 0]);
  expect([50_000, 51_000].map(slept)).toEqual([-51_000 - hour, 0]);
});
