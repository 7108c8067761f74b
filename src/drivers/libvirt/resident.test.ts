import { expect, it } from 'vitest';
import { parseResident } from './resident.ts';

const status = (lines: string) => `Name:\tqemu-system-x86\nVmRSS:\t  812340 kB\n${lines}VmData:\t 2097152 kB\n`;

it('counts what a process wrote, not the files it maps', () => {
  const whole = status('RssAnon:\t  524288 kB\nRssFile:\t   40000 kB\nRssShmem:\t    2048 kB\n');
  expect(parseResident(whole)).toBe(514);
});

it('knows nothing from half of it', () => {
  expect(parseResident(status('RssAnon:\t  524288 kB\n'))).toBe(null);
  expect(parseResident('')).toBe(null);
});
