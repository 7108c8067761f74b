import { access } from 'node:fs/promises';
import { FleetError } from '../../../lib/errors.ts';
import type { CommandSpec, Context } from '../../frame/command.ts';
import { createProgress } from '../../progress/progress.ts';
import { cell } from '../../render/cell.ts';
import { plural, short } from '../../render/figures.ts';

export const purge: CommandSpec = {
  name: 'purge',
  summary:
    'Removes what the fleet keeps: VMs, databases, runs and its copies of repositories. Lists unmerged work and asks.',
  examples: ['', '--yes'],
  run: async (context) => {
    await refuseTelemetry(context);
    await context.needDaemon();
    const would = await context.client.call('fleetPurge', { body: { confirmed: false } });
    const lines = would.unmerged.map(
      (one) => `  ${cell(one.task, 6)} ${short(one.commit)} ${cell(one.phase, 18)} ${cell(one.title, 60)}`,
    );
    context.note(
      lines.length === 0
        ? 'All work is merged or was never saved.'
        : [`${plural(lines.length, 'task')} would be lost with unmerged work:`, ...lines].join('\n'),
    );
    const { items } = await context.client.call('tasks');
    const waiting = items.filter(
      (task) => task.state !== 'ended' && !would.unmerged.some((one) => one.task === task.id),
    );
    if (waiting.length > 0) {
      const shown = waiting.slice(0, 10).map((task) => task.id);
      const more = waiting.length > shown.length ? ', …' : '';
      context.note(`${plural(waiting.length, 'task')} not begun would be forgotten: ${shown.join(', ')}${more}`);
    }
    context.note(`Would be removed:\n${would.paths.map((path) => `  ${path}`).join('\n')}`);
    if (!(await context.confirm('Remove all of it?', 'ralph-fleet purge --yes'))) {
      context.note('Nothing was changed.');
      return 1;
    }
    const done = await context.client.call('fleetPurge', { body: { confirmed: true }, idleMs: 300_000 });
    await (await import('../../terminal/windows.ts')).closeSession(context);
    await untilRemoved(context, done.paths);
    context.print(done, () => ['Removed. Your own repositories were not touched.']);
    return 0;
  },
};

/** Its files go with the state folder; what runs would be in nobody's hands. */
async function refuseTelemetry({ paths }: Context): Promise<void> {
  const { readEndpoints } = await import('../../../stack/endpoints.ts');
  if ((await readEndpoints(paths.telemetryEndpoints)) === null) return;
  throw new FleetError('refused', 'Cannot purge: the telemetry stack runs.', {
    remedy: 'ralph-fleet telemetry down --purge     (then purge again)',
  });
}

const removalMs = 120_000;

/** The daemon removes its folders once what it had under way has ended, after it has answered. */
async function untilRemoved(context: Context, folders: readonly string[]): Promise<void> {
  const { clock } = context;
  const progress = context.globals.json ? null : createProgress({ ...context, json: false });
  try {
    for (const until = clock.now() + removalMs; ; await clock.sleep(200, context.signal)) {
      const there = await Promise.all(
        folders.map((folder) =>
          access(folder).then(
            () => true,
            () => false,
          ),
        ),
      );
      const left = folders.filter((_, at) => there[at]);
      if (left.length === 0) return;
      if (clock.now() > until) {
        throw new FleetError('storage', `These folders are still there: ${left.join(', ')}.`, {
          remedy: `rm -r ${left.join(' ')}`,
        });
      }
      progress?.moving(`the daemon ends and removes ${left.join(', ')}`);
    }
  } finally {
    progress?.end();
  }
}
