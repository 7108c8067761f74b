import { expect, test } from 'vitest';
import { parseCheckResults } from './check-results.ts';

const asked = ['test', 'liar', 'long', 'late'].map((id) => ({ id }));
const base64 = (text: string | Uint8Array) => Buffer.from(text).toString('base64');
const check = {
  ...{ id: 'test', exitCode: 0, timedOut: false, ms: 10, passed: true },
  tail64: base64('a\x1b[31mb\x1b]0;t\x07\x07c\r\n'),
};
const read = (...lines: unknown[]) =>
  parseCheckResults(Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join('')), asked);

test('contradictions do not pass, tails are cleaned and cut', () => {
  const liar = { ...check, id: 'liar', exitCode: 1 };
  const long = { ...check, id: 'long', tail64: base64('x'.repeat(9000)) };
  expect(read(check, liar, long).map(({ id, passed, tail }) => [id, passed, tail.length])).toEqual([
    ['test', true, 4],
    ['liar', false, 4],
    ['long', true, 4096],
  ]);
  expect(read(check)[0]?.tail).toBe('abc\n');
});

test('stderr stands beside stdout; an older guest keeps none apart', () => {
  expect(read({ ...check, stderr64: base64('e\x1b[1m!') })[0]).toMatchObject({ tail: 'abc\n', stderrTail: 'e!' });
  expect(read(check)[0]?.stderrTail).toBe('');
});

test('bytes that are no text stand for themselves', () => {
  expect(read({ ...check, tail64: base64(new Uint8Array([0x61, 0xff, 0x00, 0x62])) })[0]?.tail).toBe('a\ufffdb');
});

test('what is garbage, half, unknown or doubled is left out', () => {
  expect(read({ ...check, tail64: '%%%' }, { ...check, id: 'unknown' }, { id: 'late' }, null, 7)).toEqual([]);
  expect(read(check, { ...check, exitCode: 1 }).map(({ passed }) => passed)).toEqual([true]);
  expect(parseCheckResults(Buffer.from('{"id":"test","exitCode":0,'), asked)).toEqual([]);
});
