import type { PreflightResult } from '../../preflight/preflight.ts';
import { cell, clean } from '../render/cell.ts';
import { plural } from '../render/figures.ts';
import { type Look, mark } from '../render/look.ts';

/** The table of `doctor` and the first part of `up`: every failed line carries what mends it. */
export function renderPreflight(result: PreflightResult, look: Look): string[] {
  const width = Math.max(...result.checks.map((check) => check.title.length), 0) + 3;
  return result.checks.flatMap((check) => {
    const isBad = check.state === 'fail' || check.state === 'warn';
    // What is wrong is never cut; the terminal wraps it.
    const found = isBad ? clean(check.found) : cell(check.found, look.columns - width - 5);
    const line = `  ${mark(look, check.state)} ${cell(check.title, width)} ${found}`;
    if (!isBad || check.remedy === undefined) return [line];
    return [line, `      ${clean(check.remedy)}`];
  });
}

export function renderVerdict(result: PreflightResult): string {
  if (result.ready) {
    return result.warned === 0
      ? 'Everything is here.'
      : `Everything needed is here; ${plural(result.warned, 'thing')} could be better.`;
  }
  return `${plural(result.failed, 'problem')}, nothing was changed. Run the same command again.`;
}
