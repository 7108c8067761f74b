import { shownStates } from '../../../domain/states.ts';
import { FleetError } from '../../../lib/errors.ts';
import { nearest } from '../../../lib/nearest.ts';
import { type CommandSpec, type Context, flag, text } from '../../frame/command.ts';
import { renderTasks } from '../../render/lists.ts';

export const tasks: CommandSpec = {
  name: 'tasks',
  summary: 'Lists the tasks; what has ended only with --all.',
  options: [
    { flags: '--all', about: 'ended ones too' },
    { flags: '--project <name>', about: 'of one project' },
    { flags: '--state <states>', about: `one or several of: ${shownStates.join(', ')}` },
  ],
  examples: ['', '--state needs-you', '--all --json=id,phase'],
  run: async (context, input) => {
    const wanted = text(input, 'state')?.split(',') ?? null;
    const wrong = wanted?.find((state) => !(shownStates as readonly string[]).includes(state));
    if (wrong !== undefined) {
      throw new FleetError('usage', `\`${wrong.slice(0, 40)}\` is no state.`, {
        remedy: `One of: ${shownStates.join(', ')}`,
      });
    }
    await context.needDaemon();
    const project = text(input, 'project');
    const list = await context.client.call('tasks', { query: project === null ? {} : { project } });
    if (project !== null && list.items.length === 0) await refuseUnknown(context, project);
    const all = flag(input, 'all') || context.globals.json;
    const items = list.items.filter((task) => (wanted ? wanted.includes(task.state) : all || task.state !== 'ended'));
    context.print({ ...list, items }, (look) => renderTasks(items, look));
    return 0;
  },
};

async function refuseUnknown(context: Context, name: string): Promise<void> {
  const names = (await context.client.call('projects')).items.map((one) => one.name);
  if (names.includes(name)) return;
  const near = nearest(name, names);
  throw new FleetError('not_found', `There is no project \`${name.slice(0, 60)}\`.`, {
    remedy: near.length > 0 ? `Did you mean: ${near.join(', ')}?` : 'ralph-fleet project list',
  });
}
