import { expect, it } from 'vitest';
import { parseAvailable, parseStalled } from './look.ts';

it('reads what could be had of the memory, and nothing from half a table', () => {
  expect(
    parseAvailable('MemTotal:       24683764 kB\nMemFree: 1 kB\nMemAvailable:   21495808 kB\nBuffers: 1 kB\n'),
  ).toBe(20992);
  expect(parseAvailable('MemTotal: 24683764 kB\nMemAvailable:   2149')).toBe(null);
  expect(parseAvailable('')).toBe(null);
});

it('reads how long all waited for memory, where the kernel says', () => {
  const some = 'some avg10=31.40 avg60=1.05 avg300=0.33 total=9\n';
  expect(parseStalled(`${some}full avg10=7.25 avg60=0.80 avg300=0.21 total=7\n`)).toBe(7.25);
  expect(parseStalled(some)).toBe(null);
});
