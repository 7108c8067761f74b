/**
 * File names as git prints them without `-z`: plain, or in double quotes with C escapes where a byte is odd. The quoted form is
 * ASCII and loses nothing, so it is what we pass around and feed back to git; people see `shown`.
 */
export interface PathName {
  /** As git printed it; git reads it back. */
  quoted: string;
  /** The name itself where it is text; else the quoted form. */
  shown: string;
  /** False: not UTF-8, or control characters in it. */
  isText: boolean;
}

const escapes: Record<string, number> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, '\\': 92 };

export function parsePathName(quoted: string): PathName {
  const name = decode(unquote(quoted));
  return { quoted, shown: name ?? quoted, isText: name !== null };
}

function unquote(quoted: string): Uint8Array {
  if (!quoted.startsWith('"') || !quoted.endsWith('"') || quoted.length < 2) return Buffer.from(quoted, 'utf8');
  const bytes: number[] = [];
  const body = quoted.slice(1, -1);
  for (const [token] of body.matchAll(/\\[0-7]{3}|\\.|[^\\]+|\\/gs)) {
    if (!token.startsWith('\\')) bytes.push(...Buffer.from(token, 'utf8'));
    else if (token.length === 4) bytes.push(Number.parseInt(token.slice(1), 8) & 0xff);
    else bytes.push(escapes[token.slice(1)] ?? 92);
  }
  return Uint8Array.from(bytes);
}

/** The text, or null where it is not UTF-8 or would move a terminal's cursor. */
function decode(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/.test(text) ? null : text;
  } catch {
    return null;
  }
}
