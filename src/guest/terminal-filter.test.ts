import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createTerminalFilter } from './terminal-filter.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const filtered = (text: string) => createTerminalFilter().push(encode(text));

describe('what a guest may send to a terminal', () => {
  test.each([
    ['text, lines, tabs', 'héllo\r\n\tworld ✓ 🐳', 'héllo\r\n\tworld ✓ 🐳'],
    ['colours', '\x1b[1;31mred\x1b[0m \x1b[38:2::1:2:3mx', '\x1b[1;31mred\x1b[0m \x1b[38:2::1:2:3mx'],
    ['cursor and erasing', '\x1b[2J\x1b[H\x1b[3;4Hx\x1b[K\x1b[5A', '\x1b[2J\x1b[H\x1b[3;4Hx\x1b[K\x1b[5A'],
    ['alternate screen', '\x1b[?1049h\x1b[?25l', '\x1b[?1049h\x1b[?25l'],
    [
      'a link to the web',
      '\x1b]8;id=1;https://a.example/x\x07a\x1b]8;;\x07',
      '\x1b]8;;https://a.example/x\x1b\\a\x1b]8;;\x1b\\',
    ],
    ['clipboard', 'a\x1b]52;c;cm0gLXJm\x07b', 'ab'],
    ['title', 'a\x1b]0;owned\x1b\\b\x1bktitle\x1b\\c', 'abc'],
    ['a link to a file', '\x1b]8;;file:///etc/passwd\x07a', 'a'],
    ['device queries', 'a\x1b[c\x1b[>c\x1b[6n\x1b[?6n\x1b[>q\x1b[18t\x1b[?1$p\x1bZb', 'ab'],
    ['DCS, APC, PM, SOS', 'a\x1bPq#0\x1b\\b\x1b_Gx\x1b\\c\x1b^x\x1b\\d\x1bXx\x1b\\e', 'abcde'],
    ['mouse and focus', '\x1b[?1000h\x1b[?1004;25h\x1b[>4;1m', ''],
    ['wiping the scrollback', '\x1b[3J', ''],
    ['reset', 'a\x1bcb', 'ab'],
    ['C1 controls', 'a\x9b31mb\x9d0;x\x9cc', 'a31mb0;xc'],
    ['bell, shift, delete', 'a\x07\x0e\x0f\x7fb', 'ab'],
    ['a huge parameter', '\x1b[99999999999bx', 'x'],
    ['an unended title, then colours', '\x1b]0;never ends\x1b[32mgreen', '\x1b[32mgreen'],
  ])('%s', (_name, sent, shown) => {
    expect(filtered(sent)).toBe(shown);
  });

  test('invalid UTF-8 becomes a replacement character', () => {
    expect(createTerminalFilter().push(new Uint8Array([0x61, 0xff, 0x9b, 0x63, 0x62]))).toBe('a\ufffd\ufffdcb');
  });

  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.constantFrom(
      '\x1b',
      '\x1b[',
      '\x1b]',
      '\x1bP',
      '\x1b\\',
      '\x07',
      '8;;http://a',
      '52;c;',
      '?1049h',
      '31m',
      '6n',
      ';',
      '1',
      '\x1b(0',
      'é',
      '🐳',
    ),
    fc.constantFrom(...'@ABCcdhlmnpqrstux$>?= '.split('')),
  );
  const bytes = fc
    .array(fc.oneof(piece.map(encode), fc.uint8Array({ maxLength: 6 })), { maxLength: 40 })
    .map((parts) => Buffer.concat(parts));

  test('however the stream is cut, the same is shown', () => {
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(200)), (whole, cuts) => {
        const filter = createTerminalFilter();
        const at = [...cuts.map((cut) => cut % (whole.length + 1)), 0, whole.length].sort((a, b) => a - b);
        const shown = at.slice(1).map((end, i) => filter.push(whole.subarray(at[i], end)));
        expect(shown.join('')).toBe(createTerminalFilter().push(whole));
      }),
      { numRuns: 2000 },
    );
  });

  test('what passed passes again unchanged, and holds only what is allowed', () => {
    const allowed =
      /^(?:[^\x00-\x1f\x7f-\x9f]|[\b\t\n\r]|\x1b\[(?:[\d;:]*[A-Za-z@`]|\?(?:(?:1|7|12|25|47|1047|1048|1049|2004|2026);?)+[hl]|[0-6]? q)|\x1b[78DEM=>]|\x1b[()][0B]|\x1b\]8;;(?:https?:\/\/[!-~]+)?\x1b\\)*$/u;
    fc.assert(
      fc.property(bytes, (whole) => {
        const shown = createTerminalFilter().push(whole);
        expect(filtered(shown)).toBe(shown);
        expect(shown).toMatch(allowed);
        expect(shown).not.toMatch(/\x1b\[[^a-zA-Z@`]*[cntp]/);
      }),
      { numRuns: 3000 },
    );
  });

  test('a title without end holds no memory to speak of', () => {
    const filter = createTerminalFilter();
    filter.push(encode('\x1b]0;'));
    for (let i = 0; i < 100; i++) expect(filter.push(encode('x'.repeat(10_000)))).toBe('');
    expect(filter.push(encode('\x07ok'))).toBe('ok');
  });
});
