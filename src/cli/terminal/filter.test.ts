import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createScreenFilter } from './filter.ts';

function filter(text: string, size = text.length || 1): string {
  const bytes = new TextEncoder().encode(text);
  const screen = createScreenFilter();
  const out: number[] = [];
  for (let i = 0; i < bytes.length; i += size) out.push(...screen.push(bytes.slice(i, i + size)));
  return new TextDecoder().decode(Uint8Array.from(out));
}

describe('the screen filter', () => {
  it('lets text, colour, cursor and modes through', () => {
    const screen = '\x1b[?1049h\x1b[2J\x1b[1;1H\x1b[38;5;10mgrün ✓\x1b[0m\r\n\x1b(B\x1b7\x1b8\x1b[3;20r';
    expect(filter(screen)).toBe(screen);
  });

  it.each([
    ['\x1b]0;title\x07a', 'a'],
    ['\x1b]52;c;ZXZpbA==\x1b\\a', 'a'],
    ['\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\', 'link'],
    ['\x1b[6n\x1b[c\x1b[>c\x1b[21t\x1b[?1$pa', 'a'],
    ['\x1bP+q544e\x1b\\a', 'a'],
    ['\x1b_G...\x1b\\a\x1bktitle\x1b\\b', 'ab'],
    ['\x00\x05\x7fa', 'a'],
    ['\x1b(\x1b]0;title\x07a\x1b)\x00b', 'ab'],
    [`\x1b[${'1;'.repeat(500)}ma`, null],
  ])('takes %j out', (text, left) => {
    if (left === null) expect(filter(text)).not.toContain('\x1b');
    else expect(filter(text)).toBe(left);
  });

  it('gives the same wherever the bytes are cut', () => {
    const piece = fc.oneof(
      fc.constantFrom('\x1b', '\x1b[', '\x1b]', '\x1b\\', '\x07', '6n', '1m', ';', '\x1bP', '\x9c', 'é', '✓'),
      fc.string({ maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(piece), fc.integer({ min: 1, max: 5 }), (pieces, size) => {
        const text = pieces.join('');
        expect(filter(text, size)).toBe(filter(text));
        expect(filter(text)).not.toMatch(/\x1b[\]P^_X]/);
      }),
    );
  });
});
