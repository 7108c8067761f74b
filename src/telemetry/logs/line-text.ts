import { cleanText } from '../../lib/clean-text.ts';

/** Of a longer line so many bytes are sent. Loki takes 256 KiB; nobody reads more than a page of a line. */
export const maxLineBytes = 16 * 1024;
/** Read beyond it, so that a secret that lies across the cut is seen whole. */
export const keptBytes = maxLineBytes + 8 * 1024;

export interface LineText {
  text: string;
  /** Bytes that were left out at the end. */
  cut: number;
}

/**
 * A line as it may leave: UTF-8, without terminal escapes, secrets hidden, then cut. `bytes` are its first `keptBytes`, of `whole`. Pure: the
 * same bytes give the same text, or what is sent twice would be there twice.
 */
export function lineText(bytes: Buffer, whole: number, hide: (text: string) => string): LineText {
  let text = bytes.toString('utf8');
  if (text.endsWith('\r')) text = text.slice(0, -1);
  if (unsafe.test(text)) text = cleanText(text).replaceAll('\n', ' ');
  if (text.includes('\\u00')) text = text.replace(escapedControl, visible);
  text = hide(text);
  if (whole <= maxLineBytes) return { text, cut: 0 };
  // Half a character at the cut is dropped.
  const kept = Buffer.from(text)
    .subarray(0, maxLineBytes)
    .toString('utf8')
    .replace(/\ufffd+$/, '');
  const cut = whole - maxLineBytes;
  return { text: `${kept}… (${cut} of ${whole} bytes are left out)`, cut };
}

/** What `cleanText` would take away. */
const unsafe =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]|\p{Surrogate}/u;

/** Control characters as JSON writes them: who shows the decoded text would hand them to a terminal. Tab and newline stay. */
const escapedControl = /\\u00(0[0-8bcef]|1[0-9a-f]|7f|[89][0-9a-f])/gi;

/** The picture of a control character (U+2400 and on). */
function visible(_: string, code: string): string {
  const unit = Number.parseInt(code, 16);
  if (unit >= 0x80) return '\\ufffd';
  return `\\u${(unit === 0x7f ? 0x2421 : 0x2400 + unit).toString(16)}`;
}
