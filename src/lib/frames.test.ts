import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createFrameReader, toFrame } from './frames.ts';

it('gives back what was sent, wherever the bytes are cut', () => {
  const piece = fc.record({ kind: fc.integer({ min: 0, max: 255 }), bytes: fc.uint8Array({ maxLength: 40 }) });
  fc.assert(
    fc.property(fc.array(piece), fc.integer({ min: 1, max: 9 }), (pieces, size) => {
      const sent = Buffer.concat(pieces.map(({ kind, bytes }) => toFrame(kind, bytes)));
      const read = createFrameReader();
      const got = [];
      for (let at = 0; at < sent.length; at += size) got.push(...read(sent.subarray(at, at + size)));
      expect(got.map(({ kind, bytes }) => ({ kind, bytes: [...bytes] }))).toEqual(
        pieces.map(({ kind, bytes }) => ({ kind, bytes: [...bytes] })),
      );
    }),
  );
});

it('refuses a length that nobody sends', () => {
  expect(() => createFrameReader()(Buffer.from('01ffffffff', 'hex'))).toThrow('4294967295 bytes');
});
