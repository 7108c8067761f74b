import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut } from '../../../test/support/cut.ts';
import { createSseParser } from './sse.ts';

function read(text: string, at: number[] = []): string[] {
  const got: string[] = [];
  let data = '';
  const parser = createSseParser({
    data: (bytes) => {
      data += bytes.toString('latin1');
    },
    end: () => {
      got.push(data);
      data = '';
    },
  });
  for (const piece of cut(Buffer.from(text, 'latin1'), at)) parser.push(piece);
  return got;
}

describe('server-sent events', () => {
  it('join the data lines of one event, whatever ends them and wherever they are cut', () => {
    fc.assert(
      fc.property(fc.constantFrom('\n', '\r\n', '\r'), fc.array(fc.nat()), (end, at) => {
        const lines = [
          'id: 1',
          'data: a',
          'data:b',
          'data',
          '',
          ': note',
          '',
          'event: x',
          '',
          'data:  c',
          'datax: d',
          '',
          '',
        ];
        expect(read(lines.join(end), at)).toEqual(['a\nb\n', ' c']);
      }),
    );
  });

  it('may begin with a byte order mark, and end before they are complete', () => {
    expect(read('\u00ef\u00bb\u00bfdata: a\n\ndata: b\n')).toEqual(['a']);
  });

  it('never fail, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (garbage) => {
        const text = Buffer.concat(garbage).toString('latin1');
        expect(read(`${text}\n\ndata: a\n\n`).at(-1)).toBe('a');
      }),
    );
  });
});
