import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanLine, cleanText, cutText, tailText } from './clean-text.ts';

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(fc.constantFrom('\u001b', '[', ']', '31m', '\u0007', '\u009b', 'a', '\n', '\r', '\ud800', 'é', '\u202e'))
    .map((parts) => parts.join('')),
);

describe('cleanText', () => {
  it('removes escape sequences with what they carry, and keeps the words', () => {
    expect(cleanText('\u001b[31mred\u001b[0m \u001b]0;title\u0007ok \u001b]8;;http://x\u001b\\link\tend')).toBe(
      'red ok link\tend',
    );
  });

  it('removes characters that hide or turn text round', () => {
    expect(cleanText('a\u202eb\u200bc\u0000d\ufeff')).toBe('abcd');
  });

  it('never leaves a control character, and changes nothing the second time', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const cleaned = cleanText(text);
        expect(cleaned).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
        expect(cleaned.isWellFormed()).toBe(true);
        expect(cleanText(cleaned)).toBe(cleaned);
      }),
      { numRuns: 500 },
    );
  });
});

describe('cutting', () => {
  it('keeps to the length and breaks no pair', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 0, max: 20 }), (text, max) => {
        const cut = cutText(text, max);
        expect(cut.length).toBeLessThanOrEqual(Math.max(max, 0));
        expect(cut.isWellFormed()).toBe(true);
        expect(cleanLine(text)).not.toContain('\n');
      }),
    );
  });

  it('keeps the end of a long text', () => {
    const tail = tailText(`${'x\n'.repeat(100)}the error`, 20);
    expect(tail).toMatch(/^…\n/);
    expect(tail).toMatch(/the error$/);
    expect(tail.length).toBeLessThanOrEqual(20);
  });
});
