import type { FleetView, RalphView, TaskRow } from '../../contract/fleet-view.ts';
import { cell } from './cell.ts';
import { since, tokens, usd } from './figures.ts';
import { type Look, paint, stateGlyph } from './look.ts';

/** One line a Ralph; tasks that are verified stand beside them as `verifier`, though no agent runs there. */
export function renderRalphs(view: FleetView, look: Look): string[] {
  const header = row(look, ['   RALPH', 'TASK', 'DOES', 'SINCE', 'ITER', 'OUT', 'TOKENS', 'USD']);
  const rows = view.ralphs.map((ralph) => ralphLine(ralph, taskOf(view, ralph.task), look));
  const verified = view.tasks.filter((task) => task.phase === 'verifying' && !carried(view, task));
  return [paint(look, 'dim', header), ...rows, ...verified.map((task) => verifierLine(task, look))];
}

function taskOf(view: FleetView, id: string | null): TaskRow | undefined {
  return view.tasks.find((task) => task.id === id);
}

function carried(view: FleetView, task: TaskRow): boolean {
  return view.ralphs.some((ralph) => ralph.task === task.id);
}

function ralphLine(ralph: RalphView, task: TaskRow | undefined, look: Look): string {
  const does = ralph.does ?? ralph.waitsFor ?? ralph.phase;
  const iteration = ralph.iteration ? `${ralph.iteration.n}/${ralph.iteration.of}` : '–';
  const out = ralph.state === 'unknown' ? '?' : ralph.lastOutputAt ? since(ralph.lastOutputAt, look.now) : '–';
  const spent = ralph.spent;
  return (
    ` ${stateGlyph(look, ralph.state)} ` +
    row(look, [
      ralph.name,
      task ? `${task.id} ${task.title}` : (ralph.task ?? '–'),
      does,
      since(ralph.since, look.now),
      iteration,
      out,
      spent ? tokens(spent.tokens) : '–',
      spent ? usd(spent.usd) : '–',
    ]).slice(3)
  );
}

function verifierLine(task: TaskRow, look: Look): string {
  const does = task.does ?? task.waitsFor ?? 'runs the checks';
  const cells = ['verifier', `${task.id} ${task.title}`, does, since(task.since, look.now), '–', '–', '–', '–'];
  return ` ${stateGlyph(look, task.state)} ${row(look, cells).slice(3)}`;
}

/** The columns; name, task and what it does share what the figures leave. The first three places are for the glyph. */
function row(look: Look, cells: readonly string[]): string {
  const [name = '', task = '', does = '', ...figures] = cells;
  const room = Math.max(40, look.columns - 3 - 14 - 2 - 33);
  const forTask = Math.ceil(room * 0.52);
  const indented = name.startsWith('   ') ? name.slice(3) : name;
  const widths = [9, 6, 6, 7, 5];
  const numbers = figures.map((text, i) => cell(text, widths[i] ?? 6, 'right')).join('');
  return `   ${cell(indented, 14)} ${cell(task, forTask)} ${cell(does, room - forTask)}${numbers}`;
}
