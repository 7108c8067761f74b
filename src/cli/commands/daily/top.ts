import { type CommandSpec, flag } from '../../frame/command.ts';
import { redraw } from '../../frame/redraw.ts';
import { join } from '../../render/look.ts';
import { renderTop, topFigures } from '../../render/top.ts';

export const top: CommandSpec = {
  name: 'top',
  summary: 'Shows the key numbers of the fleet as they change: tasks, waiting, Ralphs, VMs, money, host.',
  options: [{ flags: '--once', about: 'once, and no more' }],
  examples: ['', '--once', '--once --json', '--json=budget'],
  run: async (context, input) => {
    const { io, globals, signal } = context;
    if (flag(input, 'once')) {
      const view = await context.client.call('fleet');
      context.print(topFigures(view), (look) => renderTop(view, look));
      return 0;
    }
    const { followFleet } = await import('../../follow.ts');
    for await (const { view } of followFleet(context.client, context.clock, signal)) {
      if (globals.json) context.print(topFigures(view), () => []);
      else if (io.outTty) io.out(redraw(renderTop(view, context.look()), context));
      else io.out(`${join(context.look(), renderTop(view, context.look()))}\n`);
    }
    return 130;
  },
};
