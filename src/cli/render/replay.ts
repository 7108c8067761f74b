import type { ReplayView } from '../../contract/replay.ts';
import { cell, clean } from './cell.ts';
import { lasted, short } from './figures.ts';
import { type Look, mark, paint } from './look.ts';

type Row = ReplayView['rows'][number];

/** Recorded against now, check by check, and the verdict. */
export function renderReplay(view: ReplayView, look: Look): string[] {
  const different = view.rows.filter((row) => !row.isSame);
  const verdict =
    view.verdict === 'same'
      ? `${mark(look, 'ok')} the same`
      : `${mark(look, 'fail')} different: ${different.map((row) => `${row.check} (${row.variant})`).join(', ') || 'nothing was recorded'}`;
  const line = (cells: readonly string[]) => cells.map((text, at) => cell(text, [26, 14, 24, 24][at] ?? 24)).join(' ');
  return [
    paint(look, 'bold', clean(view.title)),
    `Commit ${short(view.commit)} on ${short(view.base)}, in ${view.vm ?? 'no VM'} on the disk ${view.disk ?? '–'}`,
    ...view.remarks.map((remark) => `${mark(look, 'warn')} ${clean(remark)}`),
    paint(look, 'dim', `  ${line(['CHECK', 'VARIANT', 'RECORDED', 'NOW'])}`),
    ...view.rows.flatMap((row) => [
      `${mark(look, row.isSame ? 'ok' : 'fail')} ${line([row.check, row.variant, ended(row.recorded), ended(row.now)])}`,
      ...(row.isSame ? [] : lastLines(row, look)),
    ]),
    verdict,
  ];
}

function ended(facts: Row['now']): string {
  if (facts === null) return 'no result';
  const how = facts.timedOut ? 'time limit' : facts.exitCode === null ? 'a signal' : `exit ${facts.exitCode}`;
  return `${facts.passed ? 'passed' : 'failed'}, ${how}, ${lasted(facts.ms)}`;
}

function lastLines(row: Row, look: Look): string[] {
  const lines = row.tail.trimEnd().split('\n').slice(-10);
  return row.tail === '' ? [] : lines.map((text) => `    ${cell(text, look.columns - 4)}`);
}
