import type { StreamItem } from '../agents/agent.ts';
import { cleanLine, cleanText } from '../lib/clean-text.ts';

/** Readable lines for `logs`: cleaned of control characters, none wider than `width` columns when a width is given. */
export function transcriptLines(item: StreamItem, width: number = Number.POSITIVE_INFINITY): string[] {
  switch (item.kind) {
    case 'text':
      return wrapped(item.text, '', width);
    case 'tool':
      return [cutToWidth(`● ${cleanLine(item.name)} ${cleanLine(item.detail)}`.trimEnd(), width)];
    case 'tool-result':
      return resultLines(item.ok, item.text, width);
    case 'notice':
      return wrapped(item.text, '– ', width);
    case 'garbage':
      return [cutToWidth(`(${item.bytes} bytes that are not readable)`, width)];
  }
}

const shownResultLines = 12;

function resultLines(ok: boolean, text: string, width: number): string[] {
  const mark = ok ? '  ' : '  ✗ ';
  const lines = cleanText(text).split('\n').map(expandTabs);
  while (lines.length > 0 && lines.at(-1)?.trim() === '') lines.pop();
  if (lines.length === 0) return [cutToWidth(`${mark}${ok ? 'ok' : 'failed'}`, width)];
  const hidden = lines.length - shownResultLines;
  // The end of an output says most.
  const shown = hidden > 0 ? [`(${hidden} lines before)`, ...lines.slice(-shownResultLines)] : lines;
  return shown.map((line) => cutToWidth(`${mark}${line}`, width));
}

function wrapped(text: string, first: string, width: number): string[] {
  const lines = cleanText(text).split('\n').map(expandTabs);
  while (lines.length > 0 && lines.at(-1)?.trim() === '') lines.pop();
  return lines.flatMap((line, at) => wrapLine(at === 0 ? `${first}${line}` : line, width));
}

function expandTabs(line: string): string {
  return line.replaceAll('\t', '    ');
}

/** Cuts at spaces where it can. */
function wrapLine(line: string, width: number): string[] {
  const lines: string[] = [];
  let rest = line;
  while (textWidth(rest) > width) {
    const fits = takeWidth(rest, width);
    if (fits === '') break;
    const space = fits.lastIndexOf(' ');
    const head = space > fits.length / 2 ? fits.slice(0, space) : fits;
    lines.push(head);
    rest = rest.slice(head.length).trimStart();
  }
  // Less than one wide character fits: nothing can be shown in so narrow a place.
  if (textWidth(rest) <= width) lines.push(rest);
  return lines;
}

export function cutToWidth(line: string, width: number): string {
  if (textWidth(line) <= width) return line;
  return width < 1 ? '' : `${takeWidth(line, width - 1)}…`;
}

function takeWidth(text: string, width: number): string {
  let taken = '';
  let columns = 0;
  for (const { segment } of segments(text)) {
    columns += graphemeWidth(segment);
    if (columns > width) break;
    taken += segment;
  }
  return taken;
}

/** Columns in a terminal: wide (East Asian, emoji) characters take two, combining ones none. */
export function textWidth(text: string): number {
  if (/^[\u0020-\u007e]*$/.test(text)) return text.length;
  let columns = 0;
  for (const { segment } of segments(text)) columns += graphemeWidth(segment);
  return columns;
}

function segments(text: string): Iterable<{ segment: string }> {
  return new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text);
}

function graphemeWidth(grapheme: string): number {
  if (/^[\p{Mn}\p{Me}\p{Cf}]*$/u.test(grapheme)) return 0;
  return wide.test(grapheme) ? 2 : 1;
}

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u;
