import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cell, clean, cleanBlock } from './cell.ts';

describe('cell', () => {
  it.each([
    ['plain', 8, 'plain   '],
    ['a title that is long', 8, 'a title…'],
    ['\x1b[2J\x1b[31mred\x1b[0m', 5, 'red  '],
    ['\x1b]0;owned\x07title', 6, 'title '],
    ['\x1b]52;c;ZXZpbA==', 4, '    '],
    ['two\nlines\r\n\there', 16, 'two lines here  '],
    ['🚀 go', 6, '· go  '],
    ['日本', 3, '·· '],
    ['é', 2, 'é '],
    ['a\u202egnp.exe', 9, 'agnp.exe '],
    ['👩‍👩‍👧‍👦!', 6, '····! '],
    ['\u0000\u0007\u009b31m', 4, '31m '],
  ])('shows %j in %i columns as %j', (text, width, shown) => {
    expect(cell(text, width)).toBe(shown);
  });

  it('shows a character alike, whatever stands beside it', () => {
    for (let code = 0x20; code < 0x2100; code = code === 0x2ff ? 0x2010 : code + 1) {
      const character = String.fromCharCode(code);
      expect([code, clean(`${character} 日`)]).toEqual([code, `${clean(character)} ·`]);
    }
  });

  it('is exactly as wide as asked, without a control byte, for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 50 }), fc.integer({ min: 0, max: 40 }), (text, width) => {
        const shown = cell(text, width);
        expect([...shown]).toHaveLength(width);
        expect(shown).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      }),
    );
  });

  it('keeps lines and tabs of a block but no escape, and is quick on 4 MB', () => {
    expect(cleanBlock('+\ta\x1b[31m\r\n-b\x07\n')).toBe('+\ta\n-b\n');
    expect(clean('\x1b]'.repeat(1_000_000)).length).toBeLessThan(4001);
    expect(cleanBlock('\x1b]'.repeat(100_000))).toBe('');
  });
});
