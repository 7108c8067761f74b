/** Several streams in one: one byte says which, four (big endian) how long the piece is, then the piece. */
export function toFrame(kind: number, bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt8(kind, 0);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

export interface Frame {
  kind: number;
  bytes: Uint8Array;
}

const headBytes = 5;
/** Nobody sends longer ones; one that comes is no frame. */
const maxBytes = 1024 * 1024;

/** Takes bytes however they were cut, gives the frames that are whole. Throws on what is none. */
export function createFrameReader(): (chunk: Uint8Array) => Frame[] {
  let held = Buffer.alloc(0);
  return (chunk) => {
    held = Buffer.concat([held, chunk]);
    const frames: Frame[] = [];
    while (held.length >= headBytes) {
      const length = held.readUInt32BE(1);
      if (length > maxBytes) throw new Error(`a frame of ${length} bytes`);
      if (held.length < headBytes + length) break;
      frames.push({ kind: held.readUInt8(0), bytes: held.subarray(headBytes, headBytes + length) });
      held = held.subarray(headBytes + length);
    }
    return frames;
  };
}
