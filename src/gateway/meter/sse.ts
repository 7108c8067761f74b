/**
 * Server-sent events out of bytes that come in any pieces (https://html.spec.whatwg.org, "Parsing an event stream"): only `data`
 * is looked at, and handed on as it comes, so an event may be of any length and none is held.
 */
export interface SseParser {
  push(bytes: Uint8Array): void;
}

export interface SseReader {
  /** A piece of the present event's data; the bytes are only good during the call. */
  data(bytes: Buffer): void;
  /** The present event, which has data, is complete. */
  end(): void;
}

const newline = 10;
const carriageReturn = 13;
const colon = 58;
const space = 32;
const lineFeed = Buffer.from('\n');
/** Longer than any field's name. */
const maxNameBytes = 16;

export function createSseParser(reader: SseReader): SseParser {
  let name = '';
  let place: 'name' | 'space' | 'value' | 'other' = 'name';
  let isEmptyLine = true;
  let hasData = false;
  let afterReturn = false;

  function startData(): void {
    if (hasData) reader.data(lineFeed);
    hasData = true;
  }

  function endLine(): void {
    if (place === 'name' && isData(name)) startData();
    if (isEmptyLine && hasData) {
      hasData = false;
      reader.end();
    }
    name = '';
    place = 'name';
    isEmptyLine = true;
  }

  function readName(byte: number): void {
    if (byte !== colon) {
      if (name.length <= maxNameBytes) name += String.fromCharCode(byte);
      return;
    }
    place = isData(name) ? 'space' : 'other';
    if (place === 'space') startData();
  }

  /** What stands before the end of the line, or of the piece. */
  function readLine(bytes: Buffer): void {
    if (bytes.length === 0) return;
    isEmptyLine = false;
    let at = 0;
    for (; at < bytes.length && place === 'name'; at++) readName(bytes[at] ?? 0);
    if (place === 'space' && at < bytes.length) {
      if (bytes[at] === space) at += 1;
      place = 'value';
    }
    if (place === 'value' && at < bytes.length) reader.data(bytes.subarray(at));
  }

  return {
    push: (chunk) => {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      let nextReturn = indexOrEnd(bytes, carriageReturn, 0);
      let start = afterReturn && bytes[0] === newline ? 1 : 0;
      if (bytes.length > 0) afterReturn = false;
      while (start < bytes.length) {
        const end = Math.min(indexOrEnd(bytes, newline, start), nextReturn);
        readLine(bytes.subarray(start, end));
        if (end === bytes.length) return;
        endLine();
        const isReturn = end === nextReturn;
        start = end + (isReturn && bytes[end + 1] === newline ? 2 : 1);
        afterReturn = isReturn && end + 1 === bytes.length;
        if (isReturn) nextReturn = indexOrEnd(bytes, carriageReturn, end + 1);
      }
    },
  };
}

function indexOrEnd(bytes: Buffer, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at < 0 ? bytes.length : at;
}

/** A byte order mark may stand before the first field. */
function isData(name: string): boolean {
  return name === 'data' || name === '\u00ef\u00bb\u00bfdata';
}
