import { exitCodeOf, toErrorBody } from '../contract/errors.ts';
import { asFleetError, FleetError, isAbort } from '../lib/errors.ts';
import type { CliDeps, CommandEntry, Globals } from './frame/command.ts';
import { createContext } from './frame/context.ts';
import { parseCommand } from './frame/parse.ts';
import { commandTable } from './frame/table.ts';
import { renderError } from './render/error.ts';
import { join } from './render/look.ts';

/** Runs one command line; resolves with its exit code and never rejects. */
export async function runCli(argv: readonly string[], deps: CliDeps): Promise<number> {
  const own = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  const before = own.flatMap((word) => (word.startsWith('--json=') ? ['--json-fields', word.slice(7)] : [word]));
  // What follows `--` is another program's.
  const words = [...before, ...argv.slice(own.length)];
  const early = earlyGlobals(before);
  try {
    const { name, rest } = splitCommand(words);
    if (name === null || name === 'help' || words[0] === '--version' || words[0] === '-V') {
      return await answerWithoutCommand(words, rest, deps, early);
    }
    const entry = await findEntry(name);
    const parsed = await parseCommand(entry, await entry.load(), rest, (text) => deps.io.out(text));
    if (parsed === null) return 0;
    if (parsed.globals.config !== null && !parsed.spec.readsConfig)
      deps.io.err(`\`--config\` has no effect on \`${name}\`: the daemon goes by what \`up\` was given.\n`);
    return (await parsed.spec.run(createContext(deps, parsed.globals, commandTable), parsed.input)) ?? 0;
  } catch (error) {
    return report(error, deps, early);
  }
}

function report(thrown: unknown, deps: CliDeps, globals: Globals): number {
  if (isAbort(thrown) || deps.signal.aborted) return 130;
  const error = asFleetError(thrown);
  const look = createContext(deps, globals, commandTable).look();
  if (globals.json) deps.io.out(`${JSON.stringify(toErrorBody(error))}\n`);
  else deps.io.err(join(look, renderError(thrown, { ...look, colour: look.colour && deps.io.errTty }, globals.debug)));
  return exitCodeOf(error.code);
}

/** Global flags may stand before the command's name too. */
function splitCommand(words: readonly string[]): { name: string | null; rest: string[] } {
  const withValue = new Set(['--config', '--json-fields']);
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (withValue.has(word)) i++;
    else if (!word.startsWith('-')) return { name: word, rest: [...words.slice(0, i), ...words.slice(i + 1)] };
  }
  return { name: null, rest: [...words] };
}

async function findEntry(name: string): Promise<CommandEntry> {
  const entry = commandTable.find((one) => one.name === name);
  if (entry) return entry;
  const { unknownCommand } = await import('./frame/help.ts');
  throw unknownCommand(
    name,
    commandTable.map((one) => one.name),
  );
}

async function answerWithoutCommand(
  words: readonly string[],
  rest: readonly string[],
  deps: CliDeps,
  globals: Globals,
): Promise<number> {
  const { rootHelp, topicHelp, unknownCommand } = await import('./frame/help.ts');
  if (words.includes('--version') || words[0] === '-V') {
    deps.io.out(`${deps.version()}\n`);
    return 0;
  }
  const look = createContext(deps, globals, commandTable).look();
  const topic = words.includes('help') ? rest.find((word) => !word.startsWith('-')) : undefined;
  if (topic !== undefined) {
    const entry = commandTable.find((one) => one.name === topic);
    const sub = rest.slice(rest.indexOf(topic) + 1).filter((word) => !word.startsWith('-'));
    const words = entry?.sub === undefined ? [] : sub.slice(0, 1);
    if (entry) await parseCommand(entry, await entry.load(), [...words, '--help'], (text) => deps.io.out(text));
    else deps.io.out(join(look, topicHelp(topic, look)));
    return 0;
  }
  const unknown = words.find((word) => word.startsWith('-') && !globalFlags.test(word));
  const lonely = words.find((word) => needsCommand.test(word));
  if (lonely !== undefined) {
    throw new FleetError('usage', `\`${lonely}\` is for a command, and none is named.`, {
      remedy: 'ralph-fleet --help',
    });
  }
  if (unknown !== undefined) throw unknownCommand(unknown, ['--help', '--version', '--json'], 'option');
  deps.io.out(join(look, rootHelp(deps.version())));
  return 0;
}

const globalFlags = /^(-h|--help|--ascii|--no-color|--debug|--json)$/;
const needsCommand = /^(--config(=.*)?|--yes|--json-fields)$/;

/** Read before parsing, so that a usage error also comes as JSON where asked. */
function earlyGlobals(words: readonly string[]): Globals {
  return {
    json: words.includes('--json') || words.includes('--json-fields'),
    fields: [],
    debug: words.includes('--debug'),
    ascii: words.includes('--ascii'),
    noColor: words.includes('--no-color'),
    config: null,
    yes: false,
  };
}
