import type { SnapshotView, VmDetails } from '../../contract/vms.ts';
import { cell } from './cell.ts';
import { bytes, since } from './figures.ts';
import { renderVms } from './lists.ts';
import { type Look, mark, paint } from './look.ts';

/** One VM and its snapshots, newest first. */
export function renderVmDetails({ vm, task, snapshots, works }: VmDetails, look: Look): string[] {
  const head = vm === null ? [`${task} has no VM now.`] : renderVms([vm], look);
  const who = works === null ? [] : [`  ${mark(look, 'wait')} ${cell(works, look.columns - 4).trimEnd()}`];
  if (snapshots.length === 0) return [...head, ...who, '', 'No snapshots.'];
  const back = task === null ? [] : ['', `Go back to one:  ralph-fleet vm rewind ${task} --to ITERATION`];
  const header = line(['SNAPSHOT', 'AFTER', 'CHANGE', 'TAKES', 'SINCE']);
  return [
    ...head,
    ...who,
    '',
    paint(look, 'dim', header),
    ...snapshots.flatMap((one) => snapshotLines(one, look)),
    ...back,
  ];
}

function snapshotLines(one: SnapshotView, look: Look): string[] {
  const iteration = one.n === null ? '' : `${one.why === 'iteration' ? '' : 'in '}iteration ${one.n}`;
  const size = one.bytes === null ? one.phase : bytes(one.bytes);
  const cells = [one.name, iteration, one.commit?.slice(0, 10) ?? '', size, since(one.since, look.now)];
  const remark = one.good ? '  checks passed' : one.why === 'person' ? '  yours' : '';
  const failure =
    one.failure === null ? [] : [`  ${mark(look, 'fail')} ${cell(one.failure, look.columns - 4).trimEnd()}`];
  return [`${line(cells)}${remark}`, ...failure];
}

function line(cells: readonly string[]): string {
  return cells.map((text, i) => cell(text, [11, 16, 11, 10, 9][i] ?? 9)).join(' ');
}
