/**
 * Picks members out of a JSON text by their paths while its bytes pass in any pieces; the rest is skipped, not held, so the text
 * may be of any size. Strict where it looks (an object's members on the way to a wanted one); what lies beside is only balanced.
 *
 * A path names members from the root, `[]` any element: `usage`, `message.usage`, `messages[].content[].source.data`.
 */
export interface JsonMembers {
  push(bytes: Uint8Array): void;
  /** `whole` once the root value has ended and nothing but white space followed. */
  state(): 'open' | 'whole' | 'broken';
  get(path: string): Member | null;
  /** Characters in strings that stand for fewer bytes than they take: `\n`, `\u00e9`. */
  escapes(): number;
}

export interface Member {
  /** The JSON text of each, in order; cut off after `keptBytes`, and after `keptValues` of them only counted. */
  texts: string[];
  count: number;
  /** Of all of them together, as they stand in the text. */
  bytes: number;
  /** Where the last one stands. */
  start: number;
  end: number;
  /** An object has this name twice: what a reader takes for its value is not certain. */
  isRepeated: boolean;
}

export type Paths = ReadonlyMap<string, Paths | 'wanted'>;

const keptBytes = 64 * 1024;
const keptValues = 256;
const maxKeyBytes = 256;

export function compilePaths(paths: readonly string[]): Paths {
  const root = new Map<string, Paths | 'wanted'>();
  for (const path of paths) {
    const names = path.replaceAll('[]', '.[]').split('.');
    let at = root;
    names.forEach((name, depth) => {
      if (depth === names.length - 1) at.set(name, 'wanted');
      else {
        const next = (at.get(name) as Map<string, Paths | 'wanted'> | undefined) ?? new Map();
        at.set(name, next);
        at = next;
      }
    });
  }
  return root;
}

/** An object or array on the way to a wanted member. */
interface Frame {
  paths: Paths;
  path: string;
  isArray: boolean;
  keys: Set<string>;
}

const signs = { quote: 34, comma: 44, colon: 58, open: 91, backslash: 92, close: 93, brace: 123, unbrace: 125 };
const { quote, comma, colon, open, backslash, close, brace, unbrace } = signs;

type Mode = 'value' | 'first' | 'key' | 'colon' | 'after' | 'string' | 'keyString' | 'scalar' | 'skip' | 'skipString';

export function createJsonMembers(root: Paths): JsonMembers {
  const found = new Map<string, Member>();
  const frames: Frame[] = [];
  let mode: Mode = 'value';
  let broken = false;
  let isOver = false;
  let offset = 0;
  let escapes = 0;
  let isEscaped = false;
  /** In the present piece the next backslash: looked for once, however many strings come before it. */
  let nextEscape = -1;
  /** Brackets open in a value that is only skipped. */
  let depth = 0;
  let key = '';
  let next: Paths | 'wanted' | undefined = root;
  let path = '';
  let capture: { member: Member; pieces: Buffer[]; held: number } | null = null;

  function begin(at: number): void {
    if (next !== 'wanted') return;
    const member = found.get(path) ?? { texts: [], count: 0, bytes: 0, start: 0, end: 0, isRepeated: false };
    found.set(path, member);
    member.count += 1;
    member.start = at;
    capture = { member, pieces: [], held: 0 };
  }

  function finish(at: number): void {
    if (capture !== null) {
      const { member, pieces } = capture;
      member.end = at;
      member.bytes += at - member.start;
      if (member.texts.length < keptValues) member.texts.push(Buffer.concat(pieces).toString('utf8'));
      capture = null;
    }
    mode = 'after';
    if (frames.length === 0) isOver = true;
  }

  function keep(bytes: Buffer, from: number, to: number): void {
    if (capture === null || capture.held >= keptBytes || capture.member.texts.length >= keptValues) return;
    const piece = bytes.subarray(from, Math.min(to, from + keptBytes - capture.held));
    capture.held += piece.length;
    capture.pieces.push(Buffer.from(piece));
  }

  /** A value starts; returns false for what no value starts with. The root must be an object. */
  function startValue(byte: number, at: number): boolean {
    if (frames.length === 0 && byte !== brace) return false;
    const paths = next;
    if ((byte === brace || byte === open) && paths instanceof Map) {
      frames.push({ paths, path, isArray: byte === open, keys: new Set() });
      mode = 'first';
      if (byte === open) enterElement();
      return true;
    }
    begin(at);
    if (byte === quote) mode = 'string';
    else if (byte === brace || byte === open) {
      depth = 1;
      mode = 'skip';
    } else if (isScalarStart(byte)) mode = 'scalar';
    else return false;
    return true;
  }

  function enterElement(): void {
    const frame = frames.at(-1);
    next = frame?.paths.get('[]');
    path = `${frame?.path ?? ''}[]`;
  }

  function closeFrame(byte: number): boolean {
    const frame = frames.pop();
    if (frame === undefined || frame.isArray !== (byte === close)) return false;
    mode = 'after';
    if (frames.length === 0) isOver = true;
    return true;
  }

  function endKey(): boolean {
    const frame = frames.at(-1);
    const name = key.length > maxKeyBytes ? null : decodeKey(key);
    if (frame === undefined || name === undefined) return false;
    const isKnown = name !== null && frame.paths.has(name);
    next = isKnown ? frame.paths.get(name) : undefined;
    path = frame.path === '' ? (name ?? '') : `${frame.path}.${name ?? ''}`;
    if (isKnown && frame.keys.has(name)) markRepeated(path);
    if (isKnown) frame.keys.add(name);
    mode = 'colon';
    return true;
  }

  function markRepeated(name: string): void {
    for (const [known, member] of found) if (known === name || known.startsWith(`${name}.`)) member.isRepeated = true;
    const member = found.get(name);
    if (member === undefined) {
      found.set(name, { texts: [], count: 0, bytes: 0, start: 0, end: 0, isRepeated: true });
    }
  }

  /** One byte outside strings and skipped values; false when it cannot stand there. */
  function structure(byte: number, at: number): boolean {
    if (isSpace(byte)) return true;
    if (isOver) return false;
    const frame = frames.at(-1);
    switch (mode) {
      case 'value':
        return startValue(byte, at);
      case 'first':
        if (byte === unbrace || byte === close) return closeFrame(byte);
        if (frame?.isArray) return startValue(byte, at);
        return startKey(byte);
      case 'key':
        return startKey(byte);
      case 'colon':
        mode = 'value';
        return byte === colon;
      default:
        if (byte !== comma) return closeFrame(byte);
        if (frame === undefined) return false;
        mode = frame.isArray ? 'value' : 'key';
        if (frame.isArray) enterElement();
        return true;
    }
  }

  function startKey(byte: number): boolean {
    key = '';
    mode = 'keyString';
    return byte === quote;
  }

  /** From `from` on inside a string: the index behind its end, or the chunk's length. */
  function throughString(bytes: Buffer, from: number): { to: number; ended: boolean } {
    for (let at = from; at < bytes.length; ) {
      if (isEscaped) {
        isEscaped = false;
        escapes += bytes[at] === 117 ? 3 : 1;
        at += 1;
        continue;
      }
      const end = bytes.indexOf(quote, at);
      if (nextEscape < at) nextEscape = indexOrEnd(bytes, backslash, at);
      if (end >= 0 && end < nextEscape) return { to: end + 1, ended: true };
      if (nextEscape === bytes.length) break;
      isEscaped = true;
      at = nextEscape + 1;
    }
    return { to: bytes.length, ended: false };
  }

  function throughSkipped(bytes: Buffer, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte === quote) {
        mode = 'skipString';
        return at + 1;
      }
      if (byte === brace || byte === open) depth += 1;
      else if (byte === unbrace || byte === close) {
        depth -= 1;
        if (depth === 0) return at + 1;
      }
    }
    return bytes.length;
  }

  function throughScalar(bytes: Buffer, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      if (!isScalarByte(byte)) return at;
    }
    return bytes.length;
  }

  /** One stretch of bytes of the same kind, from `from` on; the index of what comes next. */
  function step(bytes: Buffer, from: number): number {
    switch (mode) {
      case 'keyString':
        return stepKey(bytes, from);
      case 'string':
      case 'skipString':
        return stepString(bytes, from);
      case 'skip':
        return stepSkipped(bytes, from);
      case 'scalar':
        return stepScalar(bytes, from);
      default:
        if (!structure(bytes[from] ?? 0, offset + from)) broken = true;
        keep(bytes, from, from + 1);
        return from + 1;
    }
  }

  function stepKey(bytes: Buffer, from: number): number {
    const { to, ended } = throughString(bytes, from);
    const end = Math.min(ended ? to - 1 : to, from + maxKeyBytes + 1 - key.length);
    if (end > from) key += bytes.toString('latin1', from, end);
    if (ended && !endKey()) broken = true;
    return to;
  }

  function stepString(bytes: Buffer, from: number): number {
    const { to, ended } = throughString(bytes, from);
    keep(bytes, from, to);
    if (ended && mode === 'skipString') mode = 'skip';
    else if (ended) finish(offset + to);
    return to;
  }

  function stepSkipped(bytes: Buffer, from: number): number {
    const to = throughSkipped(bytes, from);
    keep(bytes, from, to);
    if (depth === 0) finish(offset + to);
    return to;
  }

  function stepScalar(bytes: Buffer, from: number): number {
    const to = throughScalar(bytes, from);
    keep(bytes, from, to);
    if (to < bytes.length) finish(offset + to);
    return to;
  }

  return {
    push: (chunk) => {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      nextEscape = -1;
      for (let at = 0; at < bytes.length && !broken; ) at = step(bytes, at);
      offset += bytes.length;
    },
    state: () => (broken ? 'broken' : isOver ? 'whole' : 'open'),
    get: (name) => found.get(name) ?? null,
    escapes: () => escapes,
  };
}

function indexOrEnd(bytes: Buffer, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at < 0 ? bytes.length : at;
}

function isSpace(byte: number): boolean {
  return byte === 32 || byte === 10 || byte === 13 || byte === 9;
}

/** A key's bytes as latin1. Undefined when it is no string. */
function decodeKey(key: string): string | undefined {
  if (/^[ !#-[\]-~]*$/.test(key)) return key;
  try {
    const text: unknown = JSON.parse(`"${Buffer.from(key, 'latin1').toString('utf8')}"`);
    return typeof text === 'string' ? text : undefined;
  } catch {
    return undefined;
  }
}

/** `-`, a digit, or the first letter of true, false and null. */
function isScalarStart(byte: number): boolean {
  return byte === 45 || (byte >= 48 && byte <= 57) || byte === 116 || byte === 102 || byte === 110;
}

/** Digits, letters and signs of numbers, true, false and null. */
function isScalarByte(byte: number): boolean {
  const isDigit = byte >= 48 && byte <= 57;
  const isLetter = (byte >= 97 && byte <= 122) || byte === 69;
  return isDigit || isLetter || byte === 43 || byte === 45 || byte === 46;
}
