import { join } from '../render/look.ts';
import type { Context } from './command.ts';

/** Overwrites line by line, so that nothing flickers; what does not fit in the terminal is cut, not wrapped or scrolled. */
export function redraw(lines: readonly string[], context: Pick<Context, 'io' | 'look'>): string {
  const fitting = lines.slice(0, Math.max(1, context.io.rows() - 1));
  const text = join(context.look(), fitting).replaceAll('\n', '\x1b[K\n');
  return `\x1b[?7l\x1b[H${text}\x1b[J\x1b[?7h`;
}
