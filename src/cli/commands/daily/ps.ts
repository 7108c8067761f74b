import type { CommandSpec } from '../../frame/command.ts';
import { renderRalphs } from '../../render/ralphs.ts';

export const ps: CommandSpec = {
  name: 'ps',
  summary: 'Shows one line per Ralph.',
  examples: ['', '--json'],
  run: async (context) => {
    const view = await context.client.call('fleet');
    context.print({ items: view.ralphs, next: null }, (look) =>
      view.ralphs.length === 0
        ? ['No Ralphs. They start when there is work:  ralph-fleet up']
        : renderRalphs(view, look),
    );
    return 0;
  },
};
