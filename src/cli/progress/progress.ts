import type { Clock } from '../../lib/clock.ts';
import type { Io } from '../frame/io.ts';
import { cell, clean } from '../render/cell.ts';
import { clockTime, lasted, stopwatch } from '../render/figures.ts';
import { type Look, mark, toAscii } from '../render/look.ts';

/**
 * Progress of a long command. On a terminal finished lines stay and one line moves; elsewhere a line each with its time, and a
 * heartbeat every 30 s; with --json a JSON line each. Everything goes to stderr but the JSON lines.
 */
export interface Progress {
  /** A line that stays. */
  say(text: string, state?: 'ok' | 'fail' | 'skip' | 'warn' | 'wait' | null, ms?: number): void;
  /** What the moving line says from now on. */
  moving(text: string): void;
  /** Lines that stay, as they are. */
  block(text: string): void;
  end(): void;
}

const heartbeatMs = 30_000;
const frames = ['⣾', '⣽', '⣻', '⢿', '⡿', '⣟', '⣯', '⣷'];
const asciiFrames = ['|', '/', '-', '\\'];

export function createProgress(deps: { io: Io; clock: Clock; look: () => Look; json: boolean }): Progress {
  const { io, clock } = deps;
  const began = clock.now();
  const isMoving = io.errTty && !deps.json;
  let current = '';
  let shownAt = began;
  let frame = 0;
  const erase = () => isMoving && io.err('\r\x1b[K');
  const write = (text: string) => io.err(deps.look().ascii ? toAscii(text) : text);
  const draw = () => {
    if (current === '') return;
    const { ascii } = deps.look();
    const signs = ascii ? asciiFrames : frames;
    const time = stopwatch(clock.now() - began);
    const columns = io.columns() - 1;
    io.err('\r\x1b[K');
    write(`  ${signs[frame++ % signs.length]} ${cell(current, columns - 5 - time.length)} ${time}`);
  };
  const beat = () => {
    if (isMoving) draw();
    else if (!deps.json && current !== '' && clock.now() - shownAt >= heartbeatMs) plainLine(current);
  };
  const plainLine = (text: string) => {
    shownAt = clock.now();
    write(`${clockTime(new Date(clock.now()).toISOString(), deps.look().timeZone)} ${clean(text)}\n`);
  };
  const timer = setInterval(beat, isMoving ? 100 : 1000);
  timer.unref();
  return {
    say: (text, state = null, ms) => {
      const took = ms === undefined ? '' : `   ${lasted(ms)}`;
      if (deps.json) {
        io.out(`${JSON.stringify({ stage: text, state, ms: ms ?? clock.now() - began, detail: null })}\n`);
      } else if (isMoving) {
        erase();
        write(`  ${state === null ? ' ' : mark(deps.look(), state)} ${clean(text)}${took}\n`);
        draw();
      } else plainLine(`${state === 'fail' ? 'FAILED ' : ''}${text}${took}`);
    },
    moving: (text) => {
      const first = current === '';
      const changed = text.replace(/\([^()]*\)|\d+ [smh]\b/g, '') !== current.replace(/\([^()]*\)|\d+ [smh]\b/g, '');
      current = text;
      if (isMoving && first) draw();
      else if (!isMoving && !deps.json && changed) plainLine(text);
    },
    block: (text) => {
      erase();
      io.err(text);
      if (isMoving) draw();
    },
    end: () => {
      current = '';
      clearInterval(timer);
      erase();
    },
  };
}
