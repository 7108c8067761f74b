import { FleetError } from '../../../lib/errors.ts';
import { type CommandSpec, flag } from '../../frame/command.ts';
import { renderPreflight, renderVerdict } from '../../progress/preflight-lines.ts';
import { wantedConfig } from '../../wanted-config.ts';

export const doctor: CommandSpec = {
  name: 'doctor',
  summary: 'Checks every prerequisite: what was found, why it matters, what mends it. Exit 4 when up would not work.',
  options: [{ flags: '--demo', about: 'as for up --demo: no credential needed' }],
  examples: ['', '--demo', '--json=ready,checks'],
  readsConfig: true,
  run: async (context, input) => {
    if (context.preflight === null) throw new FleetError('bug', 'The checks of `doctor` are not part of this build.');
    const demo = flag(input, 'demo');
    const { config, warnings } = await wantedConfig(context, { demo, driver: null });
    for (const warning of warnings) context.note(warning);
    const result = await context.preflight({ demo, config });
    context.print(result, (look) => [
      ...renderPreflight(result, look),
      '',
      renderVerdict(result),
      ...(result.ready ? ['Start the fleet:  ralph-fleet up'] : []),
    ]);
    return result.ready ? 0 : 4;
  },
};
