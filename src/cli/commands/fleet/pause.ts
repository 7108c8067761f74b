import type { CommandSpec } from '../../frame/command.ts';

export const pause: CommandSpec = {
  name: 'pause',
  summary: 'Freezes the fleet: nothing new starts, running iterations are saved and stop.',
  examples: ['', '--json'],
  run: async (context) => {
    await context.needDaemon();
    const done = await context.client.call('fleetPause');
    context.print(done, () => [done.message, 'Go on with:  ralph-fleet resume']);
    return 0;
  },
};

export const resume: CommandSpec = {
  name: 'resume',
  summary: 'Lets a paused fleet go on.',
  examples: ['', '--json'],
  run: async (context) => {
    await context.needDaemon();
    const done = await context.client.call('fleetResume');
    context.print(done, () => [done.message, 'See it:  ralph-fleet status']);
    return 0;
  },
};
