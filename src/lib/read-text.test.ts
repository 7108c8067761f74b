import { describe, expect, it } from 'vitest';
import { readText } from './read-text.ts';

async function* pieces(...all: (string | number[])[]) {
  for (const one of all) yield typeof one === 'string' ? Buffer.from(one) : Uint8Array.from(one);
}

describe('what a person wrote', () => {
  it('is read whole, also where a character is cut in two', async () => {
    expect(await readText(pieces('é = ', [0xc3], [0xa9, 10]), 'x', 100)).toBe('é = é\n');
    expect(await readText(pieces([0xef, 0xbb, 0xbf], '{}'), 'x', 100)).toBe('{}');
    expect(await readText(pieces(), 'x', 100)).toBe('');
  });

  it('is refused as a whole when a byte is no UTF-8: none is silently replaced', async () => {
    await expect(readText(pieces('ok\nü ', [0xe9], ' rest'), 'task.md', 100)).rejects.toMatchObject({
      code: 'invalid_file',
      message: '`task.md` is not UTF-8 text: byte 7 (line 2) is none.',
    });
    await expect(readText(pieces([0xff, 0xfe, 0x7b, 0]), 'utf-16', 100)).rejects.toMatchObject({
      code: 'invalid_file',
    });
  });

  it('stops at the limit instead of reading on', async () => {
    let read = 0;
    async function* endless() {
      for (;;) {
        read++;
        yield new Uint8Array(1024);
      }
    }
    await expect(readText(endless(), '/dev/zero', 4096)).rejects.toMatchObject({ code: 'too_large' });
    expect(read).toBe(5);
  });
});
