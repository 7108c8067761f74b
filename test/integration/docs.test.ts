import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { CommandEntry, CommandSpec } from '../../src/cli/frame/command.ts';
import { helpTopics } from '../../src/cli/frame/help.ts';
import { parseCommand } from '../../src/cli/frame/parse.ts';
import { commandTable } from '../../src/cli/frame/table.ts';

// What the documents, the help and the program's own remedies tell people to type must be something the program takes.
const root = join(import.meta.dirname, '../..');
const globals = ['--json', '--json-fields', '--config', '--yes', '--ascii', '--no-color', '--debug', '--help', '-h'];

async function filesIn(folder: string, ending: RegExp): Promise<string[]> {
  const names = await readdir(join(root, folder), { recursive: true });
  return names.filter((name) => ending.test(name)).map((name) => join(folder, name));
}

/** Every `ralph-fleet WORDS` of a text, each with where it stands; up to the end of its quote, code span or line. */
function commandsIn(file: string, text: string): { at: string; words: string[] }[] {
  return text.split('\n').flatMap((line, i) =>
    [...line.replaceAll('\\n', '   ').matchAll(/(?:^|[\s`'"(/])ralph-fleet ((?:--?)?[a-z][^`'"\n|()#…]*)/g)].map(
      (found) => ({
        at: `${file}:${i + 1}`,
        words: (found[1] ?? '')
          .split(/\s{3,}|[;&>]/, 1)
          .flatMap((part) => part.trim().split(/\s+/))
          .map((word) => word.replace(/[.,:\\]+$/, '')),
      }),
    ),
  );
}

/** Words of sentences about the program, such as `the newer ralph-fleet again`. */
const prose = ['again', 'and', 'for', 'from', 'itself', 'knows', 'needs', 'runs'];

async function wrongIn(words: readonly string[]): Promise<string | null> {
  const [name = '', ...rest] = words.filter((word) => !globals.includes(word.split('=')[0] ?? ''));
  if (name === '' || name.startsWith('-'))
    return globals.includes(words[0] ?? '') || words[0] === '--version' ? null : `no option ${name}`;
  if (name === 'help') {
    const known = [...helpTopics, ...commandTable.map((entry) => entry.name)];
    return rest[0] === undefined || known.includes(rest[0]) ? null : `no help for ${rest[0]}`;
  }
  const entry = commandTable.find((one) => one.name === name);
  if (entry === undefined) return prose.includes(name) ? null : `no command ${name}`;
  const specs = await entry.load();
  const spec = specFor(entry, specs, rest[0]);
  if (spec === undefined)
    return rest[0] === undefined || /[^a-z-]/.test(rest[0]) ? null : `no command ${name} ${rest[0]}`;
  const flags = (spec.options ?? []).flatMap((option) =>
    option.flags.split(/[ ,]+/).filter((one) => one.startsWith('-')),
  );
  const wrong = rest.filter((word) => /^--?[a-z]/.test(word)).find((word) => !flags.includes(word.split('=')[0] ?? ''));
  return wrong === undefined ? null : `no option ${wrong} of ${name}`;
}

function specFor(
  entry: CommandEntry,
  specs: readonly CommandSpec[],
  word: string | undefined,
): CommandSpec | undefined {
  return entry.sub === undefined ? specs[0] : specs.find((one) => one.name === word);
}

it('no document and no remedy names a command or an option that does not exist', async () => {
  const files = [
    'README.md',
    ...(await filesIn('docs', /\.md$/)),
    ...(await filesIn('src', /(?<!\.test)\.ts$/)),
    ...(await filesIn('scripts', /./)),
    ...(await filesIn('telemetry/prometheus', /\.yml$/)),
  ];
  const wrong: string[] = [];
  let seen = 0;
  for (const file of files) {
    const text = await readFile(join(root, file), 'utf8').catch(() => '');
    if (file.endsWith('/completion.ts')) continue; // shell scripts, which speak of the program to the shell
    for (const { at, words } of commandsIn(file, text)) {
      seen++;
      const problem = await wrongIn(words);
      if (problem !== null) wrong.push(`${at} ${words.join(' ')}: ${problem}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(seen).toBeGreaterThan(150);
});

it('the table of commands in the documents is the program’s own', async () => {
  const text = await readFile(join(root, 'docs/formats.md'), 'utf8');
  const table = text.slice(text.indexOf('## Commands'), text.indexOf('Exit codes:'));
  const cells = table
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split(' | ')[0] ?? '');
  const spans = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map((found) => found[1] ?? ''));
  for (const span of spans) {
    const [name = ''] = span.split(' ');
    for (const part of span.split(' / ')) {
      const flags = part.match(/--?[a-z][a-z-]*/g) ?? [];
      const [sub] =
        part
          .replace(name, '')
          .replace(/\[.*?\]/g, '')
          .match(/(?<![-\w])[a-z]+/) ?? [];
      expect(await wrongIn([name, ...(sub === undefined ? [] : [sub]), ...flags]), span).toBe(null);
    }
  }
  for (const entry of commandTable) {
    expect(
      spans.some((span) => span.split(' ')[0] === entry.name),
      entry.name,
    ).toBe(true);
    const own = spans.find((span) => span.split(' ')[0] === entry.name);
    for (const sub of entry.sub ?? []) expect(own, entry.name).toContain(sub);
  }
});

it('every example of the help is taken as it stands', async () => {
  for (const entry of commandTable) {
    const specs = await entry.load();
    for (const spec of specs) {
      for (const example of spec.examples) {
        const line = example
          .replace(/ [|<>].*$/, '')
          .replace(/"([^"]*)"/g, (_, quoted: string) => quoted.replaceAll(' ', '_'));
        const words = [...(entry.sub === undefined ? [] : [spec.name]), ...line.split(' ')].filter(Boolean);
        const json = words.flatMap((word) => (word.startsWith('--json=') ? ['--json-fields', word.slice(7)] : [word]));
        const parsed = await parseCommand(entry, specs, json, () => {});
        expect(parsed?.spec.name, `${entry.name} ${example}`).toBe(spec.name);
      }
    }
  }
});
