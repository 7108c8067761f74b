import { FleetError } from '../../../lib/errors.ts';
import type { Mended } from '../../../preflight/mend.ts';
import { type CommandSpec, type Context, flag } from '../../frame/command.ts';
import { renderPreflight, renderVerdict } from '../../progress/preflight-lines.ts';
import { clean } from '../../render/cell.ts';
import { mark } from '../../render/look.ts';
import { wantedConfig } from '../../wanted-config.ts';

export const doctor: CommandSpec = {
  name: 'doctor',
  summary: 'Checks every prerequisite: what was found, why it matters, what mends it. Exit 4 when up would not work.',
  options: [
    { flags: '--demo', about: 'as for up --demo: no credential needed' },
    { flags: '--fix', about: 'mends what is safe to mend, each thing named before and after, and looks again' },
  ],
  examples: ['', '--fix', '--demo', '--json=ready,checks'],
  readsConfig: true,
  run: async (context, input) => {
    const { preflight } = context;
    if (preflight === null) throw new FleetError('bug', 'The checks of `doctor` are not part of this build.');
    const demo = flag(input, 'demo');
    const { config, warnings } = await wantedConfig(context, { demo, driver: null });
    for (const warning of warnings) context.note(warning);
    const found = await preflight({ demo, config });
    const mended = flag(input, 'fix') ? await mend(context, found) : null;
    const result = mended === null || mended.length === 0 ? found : await preflight({ demo, config });
    context.print(mended === null ? result : { ...result, mended }, (look) => [
      ...renderPreflight(result, look),
      '',
      ...(mended === null ? [] : [renderMended(mended)]),
      renderVerdict(result),
      ...(result.ready ? ['Start the fleet:  ralph-fleet up'] : []),
    ]);
    return result.ready ? 0 : 4;
  },
};

async function mend(
  context: Context,
  found: Awaited<ReturnType<NonNullable<Context['preflight']>>>,
): Promise<Mended[]> {
  const { mendAll } = await import('../../../preflight/mend.ts');
  const look = context.look();
  return mendAll(found, {
    before: (what) => context.note(`  ${mark(look, 'wait')} ${clean(what)}`),
    after: ({ done, how }) => context.note(`  ${mark(look, done ? 'ok' : 'fail')} ${clean(how)}`),
  });
}

function renderMended(mended: readonly Mended[]): string {
  if (mended.length === 0) return 'Nothing that could be mended here was found.';
  const failed = mended.filter((one) => !one.done).length;
  return `Mended ${mended.length - failed} of ${mended.length}.`;
}
