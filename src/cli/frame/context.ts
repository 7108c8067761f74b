import { type Client, createClient } from '../../client/client.ts';
import type { Clock } from '../../lib/clock.ts';
import { FleetError } from '../../lib/errors.ts';
import type { Paths } from '../../lib/paths.ts';
import type { PreflightResult } from '../../preflight/preflight.ts';
import { join, type Look } from '../render/look.ts';
import { type Io, wantsColour } from './io.ts';
import { selectFields } from './select.ts';

export interface Globals {
  json: boolean;
  /** Keys of `--json=a,b`; empty = all. */
  fields: string[];
  debug: boolean;
  ascii: boolean;
  noColor: boolean;
  config: string | null;
  yes: boolean;
}

/** What a run of the CLI is made of; bin.ts makes the real ones, tests their own. */
export interface CliDeps {
  io: Io;
  env: Record<string, string | undefined>;
  paths: Paths;
  clock: Clock;
  /** Fires on the first ctrl-C. */
  signal: AbortSignal;
  version(): string;
  /** How this program is started again, for tmux windows: node, its flags and bin's path. */
  self: readonly string[];
  /** Looks at the host; null where it is not wired. */
  preflight: ((wanted: { demo: boolean; config: string | null }) => Promise<PreflightResult>) | null;
  /** Makes sure a daemon runs; tests hand in one that does nothing. */
  ensureDaemon?: (onStage: (stage: string) => void) => Promise<void>;
}

export interface Context extends CliDeps {
  globals: Globals;
  client: Client;
  look(): Look;
  /** The result: lines for people, or the document with --json. */
  print(document: unknown, lines: (look: Look) => readonly string[]): void;
  /** Everything that is not the result. */
  note(text: string): void;
  /** Starts the daemon when needed, telling on stderr after a moment. */
  needDaemon(): Promise<void>;
  /** Asks with default No; without a terminal only --yes will do. */
  confirm(question: string, without: string): Promise<boolean>;
}

export function createContext(deps: CliDeps, globals: Globals): Context {
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
