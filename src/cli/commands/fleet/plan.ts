import type { CommandSpec } from '../../frame/command.ts';
import { renderPlan } from '../../render/plan.ts';

export const plan: CommandSpec = {
  name: 'plan',
  summary: 'Shows what the next pass of the daemon would do, and what waits for what.',
  examples: ['', '--json=steps'],
  run: async (context) => {
    await context.needDaemon();
    const view = await context.client.call('plan');
    context.print(view, (look) => renderPlan(view, look));
    return 0;
  },
};
