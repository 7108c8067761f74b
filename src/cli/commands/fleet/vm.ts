import type { CommandSpec } from '../../frame/command.ts';
import { renderVms } from '../../render/lists.ts';

export const vm: readonly CommandSpec[] = [
  {
    name: 'list',
    summary: 'Lists the fleet’s virtual machines.',
    examples: ['', '--json'],
    run: async (context) => {
      await context.needDaemon();
      const list = await context.client.call('vms');
      context.print(list, (look) => renderVms(list.items, look));
      return 0;
    },
  },
];
