import { Command, CommanderError } from 'commander';
import { FleetError } from '../../lib/errors.ts';
import { nearest } from '../../lib/nearest.ts';
import type { CommandEntry, CommandInput, CommandSpec, Globals } from './command.ts';

export interface Parsed {
  spec: CommandSpec;
  input: CommandInput;
  globals: Globals;
}

/** Parses the words after the command's name. Resolves with null when help was printed instead. */
export async function parseCommand(
  entry: CommandEntry,
  specs: readonly CommandSpec[],
  argv: readonly string[],
  print: (text: string) => void,
): Promise<Parsed | null> {
  let parsed: Parsed | null = null;
  const take = (spec: CommandSpec, command: Command, args: string[]) => {
    const all = command.optsWithGlobals();
    parsed = { spec, input: { args, options: all }, globals: toGlobals(all) };
  };
  const root = describe(new Command(`ralph-fleet ${entry.name}`), print);
  const only = specs.length === 1 && specs[0]?.name === entry.name ? specs[0] : null;
  if (only) define(root, only, take, entry.name);
  else {
    root.description(entry.summary);
    for (const spec of specs)
      define(
        describe(root.command(spec.name, { hidden: spec.hidden ?? false }), print),
        spec,
        take,
        `${entry.name} ${spec.name}`,
      );
    refuseUnknownSub(entry, specs, argv);
  }
  addGlobals(root);
  try {
    await root.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return null;
    if (error.code === 'commander.help') return null;
    throw usage(error, entry.name);
  }
  return parsed;
}

function refuseUnknownSub(entry: CommandEntry, specs: readonly CommandSpec[], argv: readonly string[]): void {
  const names = specs.filter((spec) => !spec.hidden).map((spec) => spec.name);
  const word = argv.find((one) => !one.startsWith('-'));
  if (word === undefined || word === 'help' || specs.some((spec) => spec.name === word)) return;
  const near = nearest(word, names);
  throw new FleetError('usage', `There is no command \`ralph-fleet ${entry.name} ${word.slice(0, 60)}\`.`, {
    remedy: `${near.length > 0 ? `Did you mean: ${near.join(', ')}?` : `There are: ${names.join(', ')}.`}   ralph-fleet ${entry.name} --help`,
  });
}

function describe(command: Command, print: (text: string) => void): Command {
  return command
    .exitOverride()
    .showHelpAfterError(false)
    .helpOption('-h, --help', 'this text')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: print, writeErr: () => {}, outputError: () => {} });
}

function define(
  command: Command,
  spec: CommandSpec,
  take: (spec: CommandSpec, command: Command, args: string[]) => void,
  full: string,
): void {
  const examples = spec.examples.map((example) => `  ralph-fleet ${full}${example === '' ? '' : ` ${example}`}`);
  command.description(`${spec.summary}\n\nExamples:\n${examples.join('\n')}`);
  for (const arg of spec.args ?? []) command.argument(arg.syntax, arg.about);
  for (const option of spec.options ?? []) command.option(option.flags, option.about);
  command.action((...values: unknown[]) => {
    take(
      spec,
      command,
      command.processedArgs.flat().filter((value): value is string => typeof value === 'string'),
    );
    return values.length > 0 ? undefined : undefined;
  });
}

function addGlobals(command: Command): void {
  command
    .option('--json', 'one JSON document (or lines); --json=a,b for some fields')
    .option('--json-fields <fields>', 'the same as --json=a,b')
    .option('--config <path>', 'another fleet.yaml; for up and doctor')
    .option('--yes', 'do not ask')
    .option('--ascii', 'no signs beyond ASCII')
    .option('--no-color', 'no colour')
    .option('--debug', 'causes and stacks of errors');
}

function toGlobals(all: Record<string, unknown>): Globals {
  const fields =
    typeof all['jsonFields'] === 'string' ? all['jsonFields'].split(',').filter((field) => field !== '') : [];
  return {
    json: all['json'] === true || fields.length > 0,
    fields,
    debug: all['debug'] === true,
    ascii: all['ascii'] === true,
    noColor: all['color'] === false,
    config: typeof all['config'] === 'string' ? all['config'] : null,
    yes: all['yes'] === true,
  };
}

function usage(error: CommanderError, name: string): FleetError {
  const text = error.message
    .replace(/^error: /, '')
    .split('\n')
    .join(' ')
    .replaceAll("'", '`');
  return new FleetError('usage', `Cannot run \`ralph-fleet ${name}\`: ${text.slice(0, 300)}.`.replace('..', '.'), {
    remedy: `ralph-fleet ${name} --help`,
  });
}
