/** One server-sent event. `id` is what to go on after. */
export interface SseMessage {
  event: string;
  id: string | null;
  data: string;
}

const maxMessage = 8 * 1024 * 1024;

/** Splits a byte stream into messages; comments and unknown fields are skipped, half a message at the end is dropped. */
export async function* readSse(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<SseMessage> {
  const decoder = new TextDecoder();
  let buffered = '';
  let message: { event: string; id: string | null; data: string[] } = { event: 'message', id: null, data: [] };
  for await (const chunk of chunks) {
    buffered += decoder.decode(chunk, { stream: true });
    if (buffered.length > maxMessage) throw new RangeError('a server-sent event is too large');
    const lines = buffered.split(/\r\n|\n/);
    buffered = lines.pop() ?? '';
    for (const line of lines) {
      if (line !== '') takeField(message, line);
      else {
        if (message.data.length > 0) yield { ...message, data: message.data.join('\n') };
        message = { event: 'message', id: null, data: [] };
      }
    }
  }
}

function takeField(message: { event: string; id: string | null; data: string[] }, line: string): void {
  const colon = line.indexOf(':');
  if (colon === 0) return;
  const field = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
  if (field === 'data') message.data.push(value);
  else if (field === 'event') message.event = value;
  else if (field === 'id') message.id = value;
}
