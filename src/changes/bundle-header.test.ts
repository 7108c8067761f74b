import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isFleetError } from '../lib/errors.ts';
import { parseBundleHeader } from './bundle-header.ts';

const a = 'a'.repeat(40);
const b = 'b'.repeat(40);
const read = (text: string) => parseBundleHeader(Buffer.from(text, 'latin1'));

test('a bundle of one saved commit', () => {
  const text = `# v2 git bundle\n-${a} base\n${b} refs/ralph/saved\n\nPACK`;
  expect(read(text)).toEqual({ prerequisites: [a], commit: b, packOffset: text.length - 4 });
});

test.each([
  ['', 'no git bundle'],
  [`# v2 git bundle\n${b} refs/ralph/saved\n`, 'no git bundle'],
  [`# v4 git bundle\n${b} refs/ralph/saved\n\n`, 'no git bundle'],
  [`# v2 git bundle\n\n`, '0 refs'],
  [`# v2 git bundle\n${b} refs/heads/main\n\n`, 'refs/heads/main'],
  [`# v2 git bundle\n${b} refs/ralph/saved\n${b} refs/heads/x\n\n`, '2 refs'],
  [`# v2 git bundle\n${b} refs/ralph/saved\n${b} refs/ralph/saved\n\n`, '2 refs'],
  [`# v2 git bundle\n--upload-pack=x refs/ralph/saved\n\n`, 'not understood'],
  [`# v3 git bundle\n@filter=blob:none\n${b} refs/ralph/saved\n\n`, 'not known'],
  [`# v2 git bundle\n${`-${a}\n`.repeat(300)}${b} refs/ralph/saved\n\n`, '300 commits'],
])('%j is refused', (text, why) => {
  expect(() => read(text)).toThrow(why);
});

test('any bytes are read or refused, never anything else', () => {
  const piece = fc.constantFrom('# v2 git bundle\n', `-${a}\n`, `${b} refs/ralph/saved\n`, '\n', ' ', '@x\n', '\0');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(piece).map((p) => p.join('')),
        fc.string({ unit: 'binary' }),
      ),
      (text) => {
        try {
          expect(read(text).commit).toMatch(/^[0-9a-f]{40}$/);
        } catch (error) {
          expect(isFleetError(error, 'change_rejected')).toBe(true);
        }
      },
    ),
  );
});
