/**
 * Text of a guest made fit for a person's terminal: escape sequences and control characters gone (tab and newline stay),
 * also the Unicode characters that reorder or hide text. What it cleans it leaves alone the second time.
 */
export function cleanText(text: string, maxChars = Number.POSITIVE_INFINITY): string {
  const cleaned = text
    .replace(/\r\n/g, '\n')
    .replace(escapeSequences, '')
    .replace(/\r/g, '\n')
    .replace(controlCharacters, '')
    .toWellFormed();
  return cutText(cleaned, maxChars);
}

/** One line: newlines and tabs become spaces. */
export function cleanLine(text: string, maxChars = Number.POSITIVE_INFINITY): string {
  return cutText(cleanText(text).replace(/\s+/g, ' ').trim(), maxChars);
}

/** At most `maxChars` UTF-16 units, no broken pair, `…` for what is gone. */
export function cutText(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  if (maxChars < 1) return '';
  const end = isHighSurrogate(text.charCodeAt(maxChars - 2)) ? maxChars - 2 : maxChars - 1;
  return `${text.slice(0, end)}…`;
}

/** The last `maxChars`, from a line's start where there is one, `…` before it. */
export function tailText(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const last = text.slice(text.length - Math.max(0, maxChars - 2)).toWellFormed();
  const newline = last.indexOf('\n');
  const from = newline >= 0 && newline < last.length / 2 ? newline + 1 : 0;
  return `…\n${last.slice(from)}`;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** CSI and two-character sequences, and the string ones (OSC, DCS, …) with their end or up to the line's end. */
const escapeSequences =
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\n\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|(?=\n)|$)|\u001b[ -/]*[0-~]?/g;
const controlCharacters =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/gu;
