import type { FileHandle } from 'node:fs/promises';
import type { RawLine } from './entry.ts';
import { keptBytes } from './line-text.ts';

export interface ReadOptions {
  /** The file is looked at up to here. */
  end: number;
  /** So much is taken at once; one longer line is passed over in pieces, whatever its length. */
  maxBytes: number;
  /** Nothing more comes: what stands after the last newline is a line too. */
  isWhole: boolean;
  /** It is known that there is no newline before this byte. */
  scanned?: number;
}

export interface LinesRead {
  lines: RawLine[];
  /** The byte after the last line that was taken. */
  to: number;
  /** No newline stands before this byte. */
  scanned: number;
}

/** Whole lines from byte `from` on. The same file, `from` and `to` (as `end`, with `isWhole`) give the same lines again. */
export async function readLines(file: FileHandle, from: number, options: ReadOptions): Promise<LinesRead> {
  const { end, maxBytes, isWhole } = options;
  const bytes = await readBytes(file, from, Math.min(maxBytes, end - from));
  const lines: RawLine[] = [];
  let to = from;
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(newlineByte, at);
    if (newline < 0) break;
    lines.push(rawLine(bytes, from, at, newline));
    at = newline + 1;
    to = from + at;
  }
  if (lines.length === 0 && from + bytes.length < end) {
    return passLongLine(file, from, bytes.subarray(0, keptBytes), options);
  }
  if (isWhole && from + bytes.length >= end && to < end) {
    lines.push(rawLine(bytes, from, to - from, bytes.length));
    to = from + bytes.length;
  }
  return { lines, to, scanned: from + bytes.length };
}

const newlineByte = 10;

function rawLine(bytes: Buffer, from: number, start: number, stop: number): RawLine {
  return { offset: from + start, bytes: bytes.subarray(start, Math.min(stop, start + keptBytes)), whole: stop - start };
}

async function passLongLine(
  file: FileHandle,
  from: number,
  first: Buffer,
  { end, maxBytes, isWhole, scanned = 0 }: ReadOptions,
): Promise<LinesRead> {
  let at = Math.max(from + first.length, Math.min(scanned, end));
  while (at < end) {
    const piece = await readBytes(file, at, Math.min(maxBytes, end - at));
    if (piece.length === 0) break;
    const newline = piece.indexOf(newlineByte);
    if (newline >= 0) {
      const stop = at + newline;
      return { lines: [{ offset: from, bytes: Buffer.from(first), whole: stop - from }], to: stop + 1, scanned: stop };
    }
    at += piece.length;
  }
  if (!isWhole) return { lines: [], to: from, scanned: at };
  return { lines: [{ offset: from, bytes: Buffer.from(first), whole: at - from }], to: at, scanned: at };
}

async function readBytes(file: FileHandle, from: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(Math.max(0, length));
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, from + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
