/**
 * Server-sent events out of bytes that come in any pieces (https://html.spec.whatwg.org, "Parsing an event stream"): only
 * `data` is kept. Memory is bounded: an event longer than `maxBytes` is dropped, whatever it is.
 */
export interface SseParser {
  push(bytes: Uint8Array): void;
}

const newline = 10;
const carriageReturn = 13;

export function createSseParser(onData: (data: string) => void, maxBytes = 1024 * 1024): SseParser {
  let pieces: Buffer[] = [];
  let held = 0;
  let data: string[] = [];
  let dataBytes = 0;
  let tooLong = false;
  let afterReturn = false;

  function hold(bytes: Buffer): void {
    if (bytes.length === 0) return;
    held += bytes.length;
    if (dataBytes + held > maxBytes) {
      tooLong = true;
      pieces = [];
    } else pieces.push(Buffer.from(bytes)); // a copy: the caller may use its memory again
  }

  function endLine(): void {
    const isEmpty = held === 0;
    const line = tooLong ? '' : Buffer.concat(pieces).toString('utf8');
    pieces = [];
    held = 0;
    if (isEmpty) {
      endEvent();
      return;
    }
    const value = /^\uFEFF?data(?:: ?|$)/.exec(line);
    if (value === null) return;
    data.push(line.slice(value[0].length));
    dataBytes += line.length;
  }

  function endEvent(): void {
    const complete = data.length > 0 && !tooLong ? data.join('\n') : null;
    data = [];
    dataBytes = 0;
    tooLong = false;
    if (complete !== null) onData(complete);
  }

  return {
    push: (chunk) => {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      let start = 0;
      for (let at = 0; at < bytes.length; at++) {
        const byte = bytes[at];
        if (byte === newline && afterReturn) start = at + 1;
        else if (byte === newline || byte === carriageReturn) {
          hold(bytes.subarray(start, at));
          endLine();
          start = at + 1;
        }
        afterReturn = byte === carriageReturn;
      }
      hold(bytes.subarray(start));
    },
  };
}
