import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readSse, type SseMessage } from './sse.ts';

async function read(chunks: Uint8Array[]): Promise<SseMessage[]> {
  async function* all() {
    yield* chunks;
  }
  const messages: SseMessage[] = [];
  for await (const message of readSse(all())) messages.push(message);
  return messages;
}

describe('readSse', () => {
  it('reads ids, events and data of several lines; skips comments and a half message at the end', async () => {
    const text = ': beat\n\nid: 7\nevent: fleet\ndata: a\ndata: b\n\ndata:x\r\n\r\nid: 8\ndata: half';
    expect(await read([new TextEncoder().encode(text)])).toEqual([
      { id: '7', event: 'fleet', data: 'a\nb' },
      { id: null, event: 'message', data: 'x' },
    ]);
  });

  it('gives the same messages wherever the bytes are cut', async () => {
    const data = fc.string({ unit: 'grapheme' }).map((text) => JSON.stringify(text));
    await fc.assert(
      fc.asyncProperty(fc.array(data, { maxLength: 5 }), fc.integer({ min: 1, max: 7 }), async (all, size) => {
        const bytes = new TextEncoder().encode(all.map((one, i) => `id: ${i}\ndata: ${one}\n\n`).join(''));
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
          bytes.slice(i * size, (i + 1) * size),
        );
        expect((await read(chunks)).map((message) => message.data)).toEqual(all);
      }),
    );
  });
});
