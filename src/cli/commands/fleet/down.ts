import { followFleet } from '../../follow.ts';
import { type CommandSpec, type Context, flag } from '../../frame/command.ts';
import { stillThere } from '../../progress/moving-line.ts';
import { createProgress } from '../../progress/progress.ts';

export const down: CommandSpec = {
  name: 'down',
  summary: 'Saves every Ralph’s work, then stops Ralphs and VMs. Repositories and runs are never deleted.',
  options: [
    { flags: '--delete', about: 'also delete the VMs and their disks' },
    { flags: '--no-wait', about: 'do not wait until everything has stopped' },
  ],
  examples: ['', '--delete --yes'],
  run: async (context, input) => {
    const remove = flag(input, 'delete');
    await context.needDaemon();
    if (remove) {
      const { vms } = await context.client.call('fleet');
      const live = vms.filter((vm) => vm.phase !== 'gone').length;
      context.note(
        `This stops the fleet and deletes ${live} VMs with their disks. Work is saved first; repositories and runs stay.`,
      );
      if (!(await context.confirm('Go on?', 'ralph-fleet down --delete --yes'))) return 1;
    }
    const done = await context.client.call('fleetDown', { body: { delete: remove } });
    if (input.options['wait'] !== false) {
      await untilDown(context, remove);
      if (context.signal.aborted) {
        context.note('The daemon goes on stopping it.   ralph-fleet status');
        return 130;
      }
    }
    await (await import('../../terminal/windows.ts')).closeSession(context);
    context.print(done, () => [done.message, 'Start it again:  ralph-fleet up']);
    return 0;
  },
};

/** The result is one document with --json; until then only people are told. */
async function untilDown(context: Context, remove: boolean): Promise<void> {
  const progress = context.globals.json ? null : createProgress({ ...context, json: false });
  const lost = () => progress?.say('the daemon does not answer; waiting for it', 'warn');
  try {
    for await (const { view, events } of followFleet(context.client, context.clock, context.signal, lost)) {
      for (const event of events) progress?.say(event.text);
      const left = view.vms.filter((vm) => vm.phase !== 'gone' && (remove || vm.phase !== 'stopped'));
      if (left.length === 0) return;
      progress?.moving(stillThere(left, context.clock.now()));
    }
  } finally {
    progress?.end();
  }
}
