import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { StreamItem } from '../agents/agent.ts';
import { textWidth, transcriptLines } from './transcript.ts';

const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc.constant('漢字\u001b[2J👩‍👩‍👧 e\u0301'),
);
const item: fc.Arbitrary<StreamItem> = fc.oneof(
  text.map((value) => ({ kind: 'text' as const, text: value })),
  fc.record({ kind: fc.constant('tool' as const), name: text, detail: text }),
  fc.record({ kind: fc.constant('tool-result' as const), ok: fc.boolean(), text }),
  text.map((value) => ({ kind: 'notice' as const, text: value })),
  fc.nat().map((bytes) => ({ kind: 'garbage' as const, bytes })),
);

it('keeps every line within the width and free of control characters', () => {
  fc.assert(
    fc.property(item, fc.integer({ min: 1, max: 40 }), (each, width) => {
      for (const line of transcriptLines(each, width)) {
        expect(textWidth(line)).toBeLessThanOrEqual(width);
        expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      }
    }),
    { numRuns: 500 },
  );
});

it('loses no word of a text that is wrapped', () => {
  const words = 'one two three four five six';
  expect(transcriptLines({ kind: 'text', text: words }, 10).join(' ')).toBe(words);
});

it('shows the end of a long result', () => {
  const lines = transcriptLines({ kind: 'tool-result', ok: false, text: `${'x\n'.repeat(50)}Error` });
  expect(lines).toHaveLength(13);
  expect(lines.at(0)).toBe('  ✗ (39 lines before)');
  expect(lines.at(-1)).toBe('  ✗ Error');
});

it('counts columns as a terminal does', () => {
  expect(['abc', '漢字', 'e\u0301', '👍', ''].map(textWidth)).toEqual([3, 4, 1, 2, 0]);
});
