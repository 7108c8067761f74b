import { findTask } from '../../find-task.ts';
import type { CommandSpec } from '../../frame/command.ts';
import { renderEvidence } from '../../render/evidence.ts';

export const evidence: CommandSpec = {
  name: 'evidence',
  summary: 'Shows what was asked, what was checked by the controller, and what to look at.',
  args: [{ syntax: '<task>', about: 'id or the beginning of its title' }],
  examples: ['T41', 'T41 --json=proof,calledOut'],
  run: async (context, { args }) => {
    await context.needDaemon();
    const task = await findTask(context, args[0] ?? '');
    const view = await context.client.call('taskEvidence', { params: { id: task.id } });
    context.print(view, (look) => renderEvidence(view, look));
    return 0;
  },
};
