/**
 * Filters a guest's screen: text, cursor movement and colour pass; what could act on the host's terminal does not (title, clipboard,
 * hyperlinks, device queries that would type answers, window operations, other strings). Works on any cutting of the bytes.
 */
export interface ScreenFilter {
  push(chunk: Uint8Array): Uint8Array;
}

const maxSequence = 256;
/** Final bytes of CSI sequences that draw: cursor, erase, insert, delete, scroll, colour, modes, margins, tabs. */
const drawing = new Set([...'@ABCDEFGHIJKLMPSTXZ`abdefghlmrsu'].map((letter) => letter.charCodeAt(0)));
const plainEscapes = new Set([...'78=>DEHM'].map((letter) => letter.charCodeAt(0)));

type State = 'text' | 'escape' | 'charset' | 'csi' | 'string' | 'string-escape';

export function createScreenFilter(): ScreenFilter {
  let state: State = 'text';
  let held: number[] = [];
  const steps: Record<State, (byte: number, out: number[]) => void> = {
    text: (byte, out) => {
      if (byte === 0x1b) hold('escape', byte);
      else if (byte >= 0x20 ? byte !== 0x7f : byte >= 0x07 && byte <= 0x0f) out.push(byte);
    },
    escape: (byte, out) => afterEscape(byte, out),
    // Names a set of characters with one letter or digit; another escape byte there begins a sequence of its own.
    charset: (byte, out) => {
      if (byte === 0x1b) hold('escape', byte);
      else {
        if (byte >= 0x30 && byte <= 0x7e) out.push(...held, byte);
        drop();
      }
    },
    csi: (byte, out) => inCsi(byte, out),
    // Ends with BEL or ESC \\ only: 0x9c is also the middle of many a UTF-8 letter.
    string: (byte) => {
      if (byte === 0x07 || byte === 0x18) drop();
      else if (byte === 0x1b) state = 'string-escape';
    },
    'string-escape': (byte, out) => {
      if (byte === 0x5c) drop();
      else {
        hold('escape', 0x1b);
        afterEscape(byte, out);
      }
    },
  };
  const hold = (next: State, byte: number) => {
    state = next;
    held = [byte];
  };
  const drop = () => {
    state = 'text';
    held = [];
  };
  const afterEscape = (byte: number, out: number[]) => {
    held.push(byte);
    if (byte === 0x5b) state = 'csi';
    else if ([0x5d, 0x50, 0x5e, 0x5f, 0x58, 0x6b].includes(byte)) state = 'string';
    else if (byte === 0x28 || byte === 0x29) state = 'charset';
    else {
      if (plainEscapes.has(byte)) out.push(...held);
      drop();
    }
  };
  const inCsi = (byte: number, out: number[]) => {
    held.push(byte);
    if (byte >= 0x40 && byte <= 0x7e) {
      // Intermediate bytes (such as `$` in queries) and private finals never draw what tmux needs.
      const hasIntermediate = held.some((one, i) => i > 1 && one >= 0x20 && one <= 0x2f);
      if (drawing.has(byte) && !hasIntermediate) out.push(...held);
      drop();
    } else if (byte < 0x20 || held.length > maxSequence) drop();
  };
  return {
    push: (chunk) => {
      const out: number[] = [];
      for (const byte of chunk) steps[state](byte, out);
      return Uint8Array.from(out);
    },
  };
}
