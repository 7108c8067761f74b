import { readFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { isMissing } from '../../../client/http.ts';
import type { FleetView } from '../../../contract/fleet-view.ts';
import { needsPerson } from '../../../domain/inbox-item.ts';
import { type FleetError, isFleetError } from '../../../lib/errors.ts';
import type { Context } from '../../frame/command.ts';
import { type CommandSpec, flag } from '../../frame/command.ts';
import { redraw } from '../../frame/redraw.ts';
import { clockTime } from '../../render/figures.ts';
import { join, paint } from '../../render/look.ts';
import { renderStatus } from '../../render/status.ts';

export const status: CommandSpec = {
  name: 'status',
  summary: 'Shows what needs you first, then what every Ralph does, what it costs, and what is wrong.',
  options: [
    { flags: '-w, --watch', about: 'stay and redraw when something changes' },
    { flags: '--exit-code', about: 'exit 10 when something needs you' },
    { flags: '--keep-windows', about: 'with --watch: keep the tmux windows in step (used inside the tmux session)' },
  ],
  examples: ['', '--watch', '--exit-code --json=inbox'],
  run: async (context, input) => {
    if (flag(input, 'watch')) return watch(context, flag(input, 'keepWindows'));
    let view: FleetView;
    try {
      view = await context.client.call('fleet', { idleMs: 5000 });
    } catch (error) {
      if (!isFleetError(error, 'daemon_unavailable') || !showLastKnown(context, error)) throw error;
      return 5;
    }
    context.print(view, (look) => renderStatus(view, look));
    return flag(input, 'exitCode') && view.inbox.some(needsPerson) ? 10 : 0;
  },
};

/** The daemon leaves its last status behind; shown dimmed, with its age, so that nobody takes it for now. */
function showLastKnown(context: Context, error: FleetError): boolean {
  if (context.globals.json) return false;
  try {
    const view = JSON.parse(readFileSync(joinPath(context.paths.state, 'last-status.json'), 'utf8')) as FleetView;
    const look = context.look();
    const when = clockTime(view.asOf, look.timeZone);
    const dim = (line: string) => paint(look, 'dim', line);
    const lines = renderStatus(view, { ...look, colour: false, now: Date.parse(view.asOf) }).map(dim);
    const missing = isMissing(error);
    const head = missing ? `The daemon does not run (since ${when}).` : `The daemon does not answer (last at ${when}).`;
    context.io.out(join(look, [`${head} What you see is from then.`, ...lines]));
    if (missing) context.note('Start it:  ralph-fleet up   or   ralph-fleet daemon start');
    else context.note(`${error.message}   ${error.remedy ?? ''}`);
    return true;
  } catch {
    return false;
  }
}

async function watch(context: Context, keepWindows: boolean): Promise<number> {
  const { followFleet } = await import('../../follow.ts');
  const { io, globals, signal } = context;
  const tmux = keepWindows ? await import('../../terminal/windows.ts') : null;
  const isScreen = io.outTty && !globals.json;
  for (;;) {
    try {
      for await (const { view } of followFleet(context.client, context.clock, signal)) {
        if (tmux)
          await tmux
            .keepWindows(
              context,
              view.ralphs.map((ralph) => ralph.name),
            )
            .catch(() => {});
        if (globals.json) io.out(`${JSON.stringify(view)}\n`);
        else
          io.out(
            isScreen
              ? redraw(renderStatus(view, context.look()), context)
              : `${join(context.look(), renderStatus(view, context.look()))}\n`,
          );
      }
      return 130;
    } catch (error) {
      if (!keepWindows || !isFleetError(error, 'daemon_unavailable')) throw error;
      io.out(redraw(['The daemon does not run. Waiting for it …   ralph-fleet up'], context));
      await context.clock.sleep(2000, signal);
    }
  }
}
