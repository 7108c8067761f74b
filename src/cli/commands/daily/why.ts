import { findTask } from '../../find-task.ts';
import type { CommandSpec } from '../../frame/command.ts';
import { renderWhy } from '../../render/plan.ts';

export const why: CommandSpec = {
  name: 'why',
  summary: 'Says why a task does not move, and what would move it.',
  args: [{ syntax: '<task>', about: 'id or the beginning of its title' }],
  examples: ['T47', 'T47 --json'],
  run: async (context, { args }) => {
    await context.needDaemon();
    const task = await findTask(context, args[0] ?? '');
    const view = await context.client.call('taskWhy', { params: { id: task.id } });
    context.print(view, (look) => renderWhy(view, look));
    return 0;
  },
};
