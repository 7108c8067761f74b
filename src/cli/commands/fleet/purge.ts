import type { CommandSpec } from '../../frame/command.ts';
import { cell } from '../../render/cell.ts';
import { plural, short } from '../../render/figures.ts';

export const purge: CommandSpec = {
  name: 'purge',
  summary:
    'Removes what the fleet keeps: VMs, databases, runs and its copies of repositories. Lists unmerged work and asks.',
  examples: ['', '--yes'],
  run: async (context) => {
    await context.needDaemon();
    const would = await context.client.call('fleetPurge', { body: { confirmed: false } });
    const lines = would.unmerged.map(
      (one) => `  ${cell(one.task, 6)} ${short(one.commit)} ${cell(one.phase, 18)} ${cell(one.title, 60)}`,
    );
    context.note(
      lines.length === 0
        ? 'All work is merged or was never saved.'
        : [`${plural(lines.length, 'task')} would be lost with unmerged work:`, ...lines].join('\n'),
    );
    context.note(`Would be removed:\n${would.paths.map((path) => `  ${path}`).join('\n')}`);
    if (!(await context.confirm('Remove all of it?', 'ralph-fleet purge --yes'))) {
      context.note('Nothing was changed.');
      return 1;
    }
    const done = await context.client.call('fleetPurge', { body: { confirmed: true }, idleMs: 300_000 });
    await (await import('../../terminal/windows.ts')).closeSession(context);
    context.print(done, () => ['Removed. Your own repositories were not touched.']);
    return 0;
  },
};
