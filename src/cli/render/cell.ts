/**
 * All text from outside (titles, messages, agent words) goes to the terminal through here. Control and escape bytes are dropped, and
 * every character that is not exactly one column wide becomes `·`, so that a table stays a table and nothing can move the cursor.
 */
const escapes = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]P^_X][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|[@-Z\\-_]|.)?/gs;
const controls = /[\p{Cc}\p{Cs}\p{Co}\p{Cn}\u2028\u2029]/gu;
const invisible = /\p{Cf}/gu;
/** One column each, and nothing else to ask: loading what knows all of Unicode takes a command 15 ms. */
const plain = /^[\x20-\x7e\xa1-\xac\xae-\u017f\u2013\u2014\u2018-\u201d\u2022\u2026]*$/;
const oneWide = /^[\p{L}\p{N}\p{P}\p{S}\p{Zs}]$/u;
const wide =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{1f000}-\u{1faff}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]/u;

/** One line, safe to print, every character one column wide. */
export function clean(text: string): string {
  const printable = oneLine(text);
  if (plain.test(printable)) return printable;
  const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(printable.normalize('NFC'));
  let out = '';
  for (const { segment } of graphemes) out += oneWide.test(segment) && !wide.test(segment) ? segment : '·';
  return out;
}

/** One line, safe to print, of any width: for what is no table of a terminal. */
export function oneLine(text: string): string {
  const cut = text.length > 4000 ? text.slice(0, 4000) : text;
  if (plain.test(cut)) return cut;
  return cut
    .replace(escapes, '')
    .replace(/[\t\n\r]+/g, ' ')
    .replace(controls, '')
    .replace(invisible, '');
}

/** Exactly `width` columns: cut with `…`, or filled with spaces on the right (left for numbers). */
export function cell(text: string, width: number, side: 'left' | 'right' = 'left'): string {
  const letters = [...clean(text)];
  if (width <= 0) return '';
  if (letters.length > width)
    return width === 1
      ? '…'
      : `${letters
          .slice(0, width - 1)
          .join('')
          .trimEnd()}…`.padEnd(width);
  const gap = ' '.repeat(width - letters.length);
  return side === 'left' ? letters.join('') + gap : gap + letters.join('');
}

/** Many lines from outside (a patch, a log), each made safe but not cut to one column per character. */
export function cleanBlock(text: string): string {
  return text
    .replace(escapes, '')
    .replace(/\r\n?/g, '\n')
    .replace(/(?![\n\t])[\p{Cc}\u2028\u2029]/gu, '')
    .replace(/[\u202a-\u202e\u2066-\u2069]/gu, '');
}
