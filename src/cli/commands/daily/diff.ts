import { findTask } from '../../find-task.ts';
import type { CommandSpec } from '../../frame/command.ts';
import { cleanBlock } from '../../render/cell.ts';
import { type Look, paint } from '../../render/look.ts';

export const diff: CommandSpec = {
  name: 'diff',
  summary: 'Prints the change of a task as a unified diff against its base.',
  args: [{ syntax: '<task>', about: 'id or the beginning of its title' }],
  examples: ['T41', 'T41 | git apply --check', 'T41 --json=files'],
  run: async (context, { args }) => {
    await context.needDaemon();
    const task = await findTask(context, args[0] ?? '');
    const view = await context.client.call('taskDiff', { params: { id: task.id } });
    if (context.globals.json || !context.io.outTty) {
      if (context.globals.json) context.print(view, () => []);
      else context.io.out(view.patch);
    } else {
      const look = context.look();
      const lines = cleanBlock(view.patch).split('\n');
      context.io.out(lines.map((line) => `${colourLine(line, look)}\n`).join(''));
    }
    if (view.truncated)
      context.note(`The end was left out: the diff is too large. See it whole:  git fetch ralph ralph/${task.id}`);
    if (view.patch === '') context.note(`${task.id} has changed nothing so far.`);
    return 0;
  },
};

function colourLine(line: string, look: Look): string {
  if (line.startsWith('diff ') || line.startsWith('+++') || line.startsWith('---')) return paint(look, 'bold', line);
  if (line.startsWith('@@')) return paint(look, 'cyan', line);
  if (line.startsWith('+')) return paint(look, 'green', line);
  return line.startsWith('-') ? paint(look, 'red', line) : line;
}
