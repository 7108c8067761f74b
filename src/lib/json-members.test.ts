import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut } from '../../test/support/cut.ts';
import { compilePaths, createJsonMembers } from './json-members.ts';

function pick(text: string | Buffer, paths: string[], at: number[] = []) {
  const members = createJsonMembers(compilePaths(paths));
  for (const piece of cut(Buffer.from(text), at)) members.push(piece);
  return members;
}

const anyCharacter = fc.oneof(fc.nat(0x7f), fc.nat(0x10ffff)).map((code) => String.fromCodePoint(code));

const whole = {
  model: 'm"\\ü\u0001',
  usage: { a: [1, { b: '}' }], c: null },
  content: [{ text: 'x' }, { text: 'yy', other: [[]] }, 5, 'z'],
  n: -1.5e3,
  flag: true,
};

describe('members of a JSON text', () => {
  it('are found however the bytes are cut, with their places', () => {
    fc.assert(
      fc.property(fc.array(fc.nat()), fc.constantFrom(0, 2), (at, indent) => {
        const text = ` ${JSON.stringify(whole, null, indent)}\n`;
        const members = pick(text, ['model', 'usage', 'content[].text', 'n', 'flag', 'missing'], at);
        expect(members.state()).toBe('whole');
        for (const name of ['model', 'usage', 'n', 'flag'] as const) {
          const found = members.get(name);
          expect(JSON.parse(found?.texts[0] ?? '')).toEqual(whole[name]);
          expect(Buffer.from(text).subarray(found?.start, found?.end).toString()).toBe(found?.texts[0]);
        }
        expect(members.get('content[].text')).toMatchObject({ texts: ['"x"', '"yy"'], count: 2, bytes: 7 });
        expect(members.get('missing')).toBeNull();
      }),
    );
  });

  it('are those that JSON.parse finds, in any document', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), fc.array(fc.nat()), (text, at) => {
        const members = pick(`{"a":${text},"b":{"c":${text}},"d":[${text}]}`, ['a', 'b.c', 'd[]'], at);
        expect(members.state()).toBe('whole');
        for (const path of ['a', 'b.c', 'd[]']) {
          expect(JSON.parse(members.get(path)?.texts[0] ?? '')).toEqual(JSON.parse(text));
        }
      }),
    );
  });

  it.each([
    '{"a":1,}',
    '{"a":1',
    '{"a" 1}',
    '{a:1}',
    '{"a":1} x',
    '{"a":1}{',
    '["a":1]',
    '{"a":1]',
    '{"a":x}',
    '\ufeff{"a":1}',
    '{"a\n":1}',
    '',
    Buffer.from('{"a":1}', 'utf16le'),
  ])('are not taken from what is no JSON: %s', (text) => {
    expect(pick(text, ['a']).state()).not.toBe('whole');
  });

  it('are known by their name, however it is spelt, and by what stands there twice', () => {
    const odd = '{"m\\u0061x":1,"x":{"max":5},"max":2}';
    expect(pick(odd, ['max']).get('max')).toMatchObject({ texts: ['1', '2'], isRepeated: true });
    expect(pick('{"a":{"b":1},"a":{"b":2}}', ['a.b']).get('a.b')?.isRepeated).toBe(true);
    expect(pick('{"a":1,"a":{"b":2}}', ['a.b']).get('a')?.isRepeated).toBe(true);
    expect(pick('{"l":[{"b":1},{"b":2}]}', ['l[].b']).get('l[].b')).toMatchObject({ count: 2, isRepeated: false });
  });

  it('take memory for what is looked for only, and that is bounded', () => {
    const members = createJsonMembers(compilePaths(['keep', 'list[]']));
    members.push(Buffer.from('{"skip":"'));
    for (let n = 0; n < 50; n++) members.push(Buffer.alloc(100_000, 'x'));
    members.push(Buffer.from('","keep":"'));
    for (let n = 0; n < 50; n++) members.push(Buffer.alloc(100_000, 'y'));
    members.push(Buffer.from(`","list":[${'1,'.repeat(1000)}1]}`));
    expect(members.state()).toBe('whole');
    expect(members.get('keep')?.texts[0]?.length).toBe(64 * 1024);
    expect(members.get('keep')?.bytes).toBe(5_000_002);
    expect(members.get('list[]')).toMatchObject({ count: 1001, texts: { length: 256 } });
  });

  it('take time that grows with the text alone, whatever it is made of', () => {
    for (const element of ['"",', '{"":[]},', '"\\n",', '[[0]],']) {
      const members = pick(`{"skip":[${element.repeat(400_000)}0],"a":1}`, ['a']);
      expect(members.get('a')?.texts).toEqual(['1']);
    }
  });

  it('tells how many bytes the escapes take beyond what they stand for, at least', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter, maxLength: 50 }), (value) => {
        const text = JSON.stringify({ value });
        const saved = text.length === 0 ? 0 : pick(text, []).escapes();
        expect(Buffer.byteLength(text) - saved).toBeGreaterThanOrEqual(Buffer.byteLength(value.toWellFormed()));
      }),
      { numRuns: 30 },
    );
    expect(pick('{"a":"\\n\\u0041"}', []).escapes()).toBe(4);
  });
});
