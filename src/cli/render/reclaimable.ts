import type { GcAnswer } from '../../contract/actions.ts';
import { cell } from './cell.ts';
import { bytes } from './figures.ts';
import type { Look } from './look.ts';

const shown = 12;

/** By kind: what each kind takes, its first items, and why they may go. */
export function renderReclaimable({ items }: Pick<GcAnswer, 'items'>, look: Look): string[] {
  const kinds = [...new Set(items.map((item) => item.kind))];
  return kinds.flatMap((kind) => {
    const own = items.filter((item) => item.kind === kind);
    const size = own.reduce((sum, item) => sum + item.sizeBytes, 0);
    const lines = own.slice(0, shown).map((item) => {
      const width = Math.max(10, look.columns - 58);
      return `  ${cell(item.name, 44)} ${cell(bytes(item.sizeBytes), 9, 'right')}  ${cell(item.why, width).trimEnd()}`;
    });
    const more = own.length > shown ? [`  and ${own.length - shown} more`] : [];
    return [`${cell(`${kind} (${own.length})`, 46)} ${cell(bytes(size), 9, 'right')}`, ...lines, ...more];
  });
}
