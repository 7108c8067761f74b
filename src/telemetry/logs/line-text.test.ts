import fc from 'fast-check';
import { expect, it } from 'vitest';
import { redact } from '../../lib/log.ts';
import { keptBytes, lineText, maxLineBytes } from './line-text.ts';

const textOf = (line: string | Buffer) => {
  const whole = Buffer.from(line);
  return lineText(whole.subarray(0, keptBytes), whole.length, redact);
};

it.each([
  ['nothing to do', '{"a":"b\\nc"}\tü', '{"a":"b\\nc"}\tü'],
  ['an escape sequence', '\u001b[1;31mred\u001b[0m', 'red'],
  ['a title for the terminal', 'a\u001b]0;evil\u0007b', 'ab'],
  ['a carriage return', '10 %\r20 %\r', '10 % 20 %'],
  ['text that turns around', 'a\u202eb', 'ab'],
  ['control characters as JSON writes them', '"\\u001b[2J\\u0007\\u009b\\u000a"', '"\\u241b[2J\\u2407\\ufffd\\u000a"'],
  ['a secret', 'x sk-ant-abcdefgh y', 'x [redacted] y'],
  ['a secret that an escape sequence cuts in two', 'x sk-ant-\u001b[0mabcdefgh y', 'x [redacted] y'],
])('%s', (_, line, text) => {
  expect(textOf(line)).toEqual({ text, cut: 0 });
});

it('cuts long lines and says so, and hides a secret that lies across the cut', () => {
  const line = `${'ä'.repeat(maxLineBytes / 2 - 8)}sk-ant-${'k'.repeat(200)} ${'z'.repeat(100_000)}`;
  const { text, cut } = textOf(line);
  expect(cut).toBe(Buffer.byteLength(line) - maxLineBytes);
  expect(text).not.toContain('kkk');
  expect(text).toContain(`… (${cut} of ${Buffer.byteLength(line)} bytes are left out)`);
  expect(Buffer.byteLength(text)).toBeLessThan(maxLineBytes + 100);
});

it('whatever bytes come, what leaves is well formed, harmless, small, and the same again', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(200), (any, times) => {
      const bytes = any.filter((byte) => byte !== 10);
      const line = Buffer.concat(Array.from({ length: times + 1 }, () => bytes));
      const { text } = textOf(line);
      expect(text.isWellFormed()).toBe(true);
      expect(text).not.toMatch(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/);
      expect(Buffer.byteLength(text)).toBeLessThan(3 * maxLineBytes + 100);
      expect(textOf(line).text).toBe(text);
    }),
  );
});
