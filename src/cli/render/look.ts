import { type Colour, endedGlyph, type ShownState, stateLooks } from '../../domain/states.ts';
import type { TaskPhase } from '../../domain/task.ts';

/** How to draw: colour or not, Unicode or ASCII, how wide. Renderers are pure functions of data and this. */
export interface Look {
  colour: boolean;
  ascii: boolean;
  columns: number;
  /** Lines a screen may take; Infinity where nobody looks at a screen. */
  rows: number;
  now: number;
  timeZone?: string;
}

const codes: Record<Exclude<Colour, 'default'> | 'bold', readonly [number, number]> = {
  yellow: [33, 39],
  green: [32, 39],
  cyan: [36, 39],
  blue: [34, 39],
  magenta: [35, 39],
  red: [31, 39],
  dim: [2, 22],
  bold: [1, 22],
};

export function paint(look: Look, colour: Colour | 'bold', text: string): string {
  if (!look.colour || colour === 'default') return text;
  const [on, off] = codes[colour];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}

export function stateGlyph(look: Look, state: ShownState, phase?: TaskPhase): string {
  const shape = state === 'ended' && phase ? endedGlyph(phase) : stateLooks[state];
  const glyph = look.ascii ? shape.ascii : shape.glyph;
  return paint(look, stateLooks[state].colour, glyph);
}

const marks = {
  ok: ['✓', '+', 'green'],
  fail: ['✗', 'x', 'red'],
  skip: ['–', '-', 'dim'],
  warn: ['▲', '^', 'yellow'],
  wait: ['○', 'o', 'default'],
} as const satisfies Record<string, readonly [string, string, Colour]>;
export type Mark = keyof typeof marks;

export function mark(look: Look, name: Mark): string {
  const [glyph, ascii, colour] = marks[name];
  return paint(look, colour, look.ascii ? ascii : glyph);
}

/** Turns our own Unicode signs into ASCII under `--ascii`; outside text has been through `cell` before. */
export function toAscii(text: string): string {
  const signs: Record<string, string> = {
    '…': '.',
    '·': '.',
    '–': '-',
    '−': '-',
    '▓': '#',
    '░': '.',
    '◦': '-',
    '─': '-',
    '→': '>',
  };
  return text.replace(/[…·–−▓░◦─→]/g, (sign) => signs[sign] ?? '?');
}

export function bar(look: Look, ratio: number, width = 10): string {
  const full = Math.min(width, Math.max(0, Math.round(ratio * width)));
  return (look.ascii ? '#' : '▓').repeat(full) + (look.ascii ? '.' : '░').repeat(width - full);
}

/** Lines as text, in ASCII where asked. */
export function join(look: Look, lines: readonly string[]): string {
  const text = lines.map((line) => `${line.trimEnd()}\n`).join('');
  return look.ascii ? toAscii(text) : text;
}
