import { type CommandSpec, flag } from '../../frame/command.ts';
import { bytes, plural } from '../../render/figures.ts';
import { join } from '../../render/look.ts';
import { renderReclaimable } from '../../render/reclaimable.ts';

export const gc: CommandSpec = {
  name: 'gc',
  summary:
    'Removes what nobody needs: old images, prepared disks, templates, snapshots and transcripts past their keep, leftovers. Work, evidence and what the next task starts from stay.',
  options: [{ flags: '--dry-run', about: 'list only what would go' }],
  examples: ['--dry-run', '', '--yes --json'],
  run: async (context, input) => {
    await context.needDaemon();
    const would = await context.client.call('gc', { body: { confirmed: false }, idleMs: 120_000 });
    for (const problem of would.problems) context.note(problem);
    if (would.items.length === 0 || flag(input, 'dryRun')) {
      context.print(would, (look) =>
        would.items.length === 0 ? ['Nothing to remove.'] : renderReclaimable(would, look),
      );
      return would.problems.length === 0 ? 0 : 1;
    }
    context.note(join(context.look(), renderReclaimable(would, context.look())).trimEnd());
    const what = `${plural(would.items.length, 'thing')}, ${bytes(would.sizeBytes)}`;
    if (!(await context.confirm(`Remove ${what}?`, 'ralph-fleet gc --yes'))) {
      context.note('Nothing was changed.');
      return 1;
    }
    const done = await context.client.call('gc', { body: { confirmed: true }, idleMs: 300_000 });
    for (const problem of done.problems) context.note(problem);
    context.print(done, () => [
      `${plural(done.items.length, 'thing')}, ${bytes(done.sizeBytes)}: removed; disks go with the next passes.`,
    ]);
    return done.problems.length === 0 ? 0 : 1;
  },
};
