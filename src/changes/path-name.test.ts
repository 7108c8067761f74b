import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsePathName } from './path-name.ts';

test('plain and quoted names', () => {
  expect(parsePathName('src/a b.ts')).toEqual({ quoted: 'src/a b.ts', shown: 'src/a b.ts', isText: true });
  expect(parsePathName('"caf\\303\\251"')).toEqual({ quoted: '"caf\\303\\251"', shown: 'café', isText: true });
  expect(parsePathName('"say \\"hi\\" \\\\"').shown).toBe('say "hi" \\');
});

test('what is no text is shown as git quotes it', () => {
  for (const odd of ['"a\\377b"', '"a\\033[31m"', '"two\\nlines"', '"\\342\\200\\256gpj.exe"']) {
    expect(parsePathName(odd)).toEqual({ quoted: odd, shown: odd, isText: false });
  }
});

test('any name survives being quoted as git does it; anything else does not throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (name) => {
      const octal = [...Buffer.from(name)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
      const parsed = parsePathName(`"${octal}"`);
      if (parsed.isText) expect(parsed.shown).toBe(name);
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => void parsePathName(text)));
});
