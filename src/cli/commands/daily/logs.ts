import { findRalph } from '../../find-task.ts';
import { type CommandSpec, flag } from '../../frame/command.ts';
import { cleanBlock } from '../../render/cell.ts';
import { type Look, paint } from '../../render/look.ts';

export const logs: CommandSpec = {
  name: 'logs',
  summary: 'Prints what a Ralph said and which tools it called, newest iteration.',
  args: [{ syntax: '[ralph]', about: 'its name; not needed when there is only one' }],
  options: [{ flags: '-f, --follow', about: 'stay and print what comes' }],
  examples: ['implementer-1', 'implementer-1 -f', 'implementer-1 --json | jq -r .text'],
  run: async (context, input) => {
    await context.needDaemon();
    const name = await findRalph(context, input.args[0]);
    const follow = flag(input, 'follow');
    let iteration = '';
    for await (const line of context.client.ralphStream(name, { after: 0, follow, signal: context.signal })) {
      if (context.globals.json) {
        context.io.out(`${JSON.stringify(line)}\n`);
        continue;
      }
      const look = context.look();
      if (iteration !== '' && iteration !== line.iteration)
        context.io.out(`${paint(look, 'dim', '-- next iteration --')}\n`);
      iteration = line.iteration;
      context.io.out(`${shown(line, look)}\n`);
    }
    if (context.signal.aborted) return 130;
    if (iteration === '' && !context.globals.json)
      context.note(`${name} has not printed anything yet.   ralph-fleet ps`);
    return 0;
  },
};

function shown(line: { kind: string; text: string }, look: Look): string {
  const text = cleanBlock(line.text);
  if (line.kind === 'tool') return paint(look, 'cyan', `> ${text}`);
  return line.kind === 'text' ? text : paint(look, 'dim', `  ${text.replaceAll('\n', '\n  ')}`);
}
