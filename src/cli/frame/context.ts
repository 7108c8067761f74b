import { createClient } from '../../client/client.ts';
import { FleetError } from '../../lib/errors.ts';
import { join, type Look } from '../render/look.ts';
import type { CliDeps, CommandEntry, Context, Globals } from './command.ts';
import { wantsColour } from './io.ts';
import { selectFields } from './select.ts';

export function createContext(deps: CliDeps, globals: Globals, commands: readonly CommandEntry[]): Context {
  const { io, env } = deps;
  const look = (): Look => ({
    colour: !globals.noColor && wantsColour(env, io.outTty),
    ascii: globals.ascii || env['RALPH_FLEET_ASCII'] === '1' || env['TERM'] === 'linux',
    columns: io.outTty ? io.columns() : 100,
    rows: io.outTty ? Math.max(24, io.rows()) : Number.POSITIVE_INFINITY,
    now: deps.clock.now(),
    ...(env['TZ'] ? { timeZone: env['TZ'] } : {}),
  });
  const note = (text: string) => io.err(`${text}\n`);
  return {
    ...deps,
    commands,
    globals,
    client: createClient({ socketPath: deps.paths.daemonSocket, clock: deps.clock }),
    look,
    note,
    print: (document, lines) => {
      if (globals.json) io.out(`${JSON.stringify(selectFields(document, globals.fields))}\n`);
      else io.out(join(look(), lines(look())));
    },
    needDaemon: async () => {
      const onStage = (stage: string) => {
        if (io.errTty) note(`Daemon: ${stage}`);
      };
      if (deps.ensureDaemon) return deps.ensureDaemon(onStage);
      const { ensureDaemon } = await import('../../client/ensure-daemon.ts');
      await ensureDaemon({ paths: deps.paths, clock: deps.clock, env, signal: deps.signal, onStage });
    },
    confirm: async (question, without) => {
      if (globals.yes) return true;
      if (!io.inTty || globals.json) {
        throw new FleetError('refused', `Cannot ask \`${question}\`: there is no terminal.`, { remedy: without });
      }
      return /^y(es)?$/i.test(await io.ask(`${question} [y/N] `));
    },
  };
}
