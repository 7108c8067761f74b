import { FleetError } from '../../../lib/errors.ts';
import { findTask } from '../../find-task.ts';
import { type CommandSpec, text } from '../../frame/command.ts';
import { who } from '../../who.ts';

export const reject: CommandSpec = {
  name: 'reject',
  summary: 'Sends a change back; the implementer starts again with your notes.',
  args: [{ syntax: '<task>', about: 'id or the beginning of its title' }],
  options: [{ flags: '-m, --message <notes>', about: 'what is to be different; - reads them from stdin' }],
  examples: ['T41 -m "seed the jitter in tests"', 'T41 -m - < notes.txt'],
  run: async (context, input) => {
    const given = text(input, 'message');
    const notes = given === '-' ? await context.io.readStdin() : given;
    if (notes === null || notes.trim() === '') {
      throw new FleetError('usage', 'A rejection needs notes: the implementer starts again with them.', {
        remedy: `ralph-fleet reject ${input.args[0] ?? 'TASK'} -m "what is to be different"`,
      });
    }
    await context.needDaemon();
    const task = await findTask(context, input.args[0] ?? '');
    const channel = context.io.inTty ? 'terminal' : 'flag';
    const body = { notes: notes.trim(), by: who(context.env), channel } as const;
    const done = await context.client.call('taskReject', { params: { id: task.id }, body });
    context.print(done, () => [done.message, `Watch it:  ralph-fleet why ${task.id}`]);
    return 0;
  },
};
