import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createLineSplitter, type SplitLine } from './line-splitter.ts';

function splitIn(bytes: Uint8Array, cuts: number[], max: number): SplitLine[] {
  const splitter = createLineSplitter(max);
  const lines: SplitLine[] = [];
  let from = 0;
  for (const to of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    lines.push(...splitter.push(bytes.subarray(from, to)));
    from = to;
  }
  return [...lines, ...splitter.end()];
}

const bytes = fc
  .array(fc.oneof(fc.constant(10), fc.integer({ min: 0, max: 255 }), fc.constantFrom(0xc3, 0xa9, 0xe2, 0x82, 0xac)))
  .map((list) => Uint8Array.from(list));

it('gives the same lines in whatever pieces the bytes come, invalid UTF-8 included', () => {
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(), { maxLength: 8 }), (all, cuts) => {
      const whole = Buffer.from(all);
      const expected: string[] = [];
      for (let from = 0; from < whole.length; ) {
        const newline = whole.indexOf(10, from);
        const to = newline < 0 ? whole.length : newline;
        expected.push(new TextDecoder('utf-8', { ignoreBOM: true }).decode(whole.subarray(from, to)));
        from = to + 1;
      }
      expect(splitIn(all, cuts, 1000).map((line) => (line.kind === 'line' ? line.text : null))).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});

it('does not keep a line longer than it may, and reads the next one', () => {
  const splitter = createLineSplitter(1024);
  const piece = new Uint8Array(65_536).fill(120);
  const lines: SplitLine[] = [];
  for (let at = 0; at < 1600; at++) lines.push(...splitter.push(piece));
  lines.push(...splitter.push(new TextEncoder().encode('\nok\n')));
  expect(lines).toEqual([
    { kind: 'too-long', bytes: 1600 * 65_536 },
    { kind: 'line', text: 'ok', bytes: 2 },
  ]);
});
