/**
 * Cuts a byte stream into lines, in whatever pieces it arrives. A line longer than `maxLineBytes` is not kept: it is told
 * as `tooLong` with its length. Holds at most `maxLineBytes` (and the present chunk), whatever comes.
 */
export type SplitLine = { kind: 'line'; text: string; bytes: number } | { kind: 'too-long'; bytes: number };

export interface LineSplitter {
  push(chunk: Uint8Array): SplitLine[];
  /** The rest without a newline, if any. */
  end(): SplitLine[];
}

export const maxLineBytes = 4 * 1024 * 1024;
const keptBetweenLines = 64 * 1024;

export function createLineSplitter(max: number = maxLineBytes): LineSplitter {
  // A line is decoded when whole, so that a character cut by two chunks is never broken; bad UTF-8 becomes U+FFFD.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let kept = Buffer.alloc(0);
  let length = 0;

  function take(piece: Uint8Array): void {
    const from = length;
    length += piece.length;
    if (length > max) {
      kept = Buffer.alloc(0);
      return;
    }
    if (length > kept.length) {
      const larger = Buffer.alloc(Math.min(max, Math.max(length, kept.length * 2)));
      kept.copy(larger, 0, 0, from);
      kept = larger;
    }
    kept.set(piece, from);
  }

  function finish(): SplitLine {
    const line: SplitLine =
      length > max
        ? { kind: 'too-long', bytes: length }
        : { kind: 'line', text: decoder.decode(kept.subarray(0, length)), bytes: length };
    if (kept.length > keptBetweenLines) kept = Buffer.alloc(0);
    length = 0;
    return line;
  }

  return {
    push(chunk) {
      const lines: SplitLine[] = [];
      let from = 0;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
        take(chunk.subarray(from, at));
        lines.push(finish());
        from = at + 1;
      }
      take(chunk.subarray(from));
      return lines;
    },
    end: () => (length > 0 ? [finish()] : []),
  };
}
