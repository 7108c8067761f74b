import { FleetError } from '../../../lib/errors.ts';
import { findRalph } from '../../find-task.ts';
import { type CommandSpec, flag, text } from '../../frame/command.ts';

export const attach: CommandSpec = {
  name: 'attach',
  summary: 'Opens the tmux session `ralph-fleet`, one window per Ralph. Leave it with ctrl-b d; nothing stops.',
  args: [{ syntax: '[ralph]', about: 'its window first' }],
  options: [
    { flags: '--write', about: 'what you type reaches the Ralph (asks first)' },
    { flags: '--pane <ralph>', about: 'show one Ralph right here, without tmux' },
  ],
  examples: ['', 'implementer-1', 'implementer-1 --write', '--pane implementer-1'],
  run: async (context, input) => {
    const write = flag(input, 'write');
    const pane = text(input, 'pane');
    if (pane !== null) {
      const { showPane } = await import('../../terminal/pane.ts');
      return showPane(context, pane, write);
    }
    if (!context.io.outTty || !context.io.inTty) {
      throw new FleetError('refused', 'Cannot attach: there is no terminal.', { remedy: 'ralph-fleet logs -f' });
    }
    await context.needDaemon();
    const windows = await import('../../terminal/windows.ts');
    const { items } = await context.client.call('ralphs');
    const names = items.map((ralph) => ralph.name);
    const chosen = input.args[0] === undefined && !write ? null : await findRalph(context, input.args[0]);
    if (write && !(await context.confirm(`What you type will reach ${chosen} in its VM. Go on?`, 'add --yes')))
      return 1;
    if (!(await windows.keepWindows(context, names))) throw windows.noTmux();
    const window = write && chosen !== null ? await windows.openWriteWindow(context, chosen) : chosen;
    return windows.showSession(context, window);
  },
};
