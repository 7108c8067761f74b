import { FleetError } from '../../../lib/errors.ts';
import type { CommandEntry, CommandSpec } from '../../frame/command.ts';

type Table = readonly CommandEntry[];

const takesTask = ['diff', 'evidence', 'why', 'approve', 'reject', 'wait'];
const takesRalph = ['attach', 'logs'];
const ids = (what: 'tasks' | 'ralphs') => `ralph-fleet completion --list ${what} 2>/dev/null`;

export const completion: CommandSpec = {
  name: 'completion',
  summary: 'Prints a completion script.',
  args: [{ syntax: '[shell]', about: 'bash, zsh or fish' }],
  options: [{ flags: '--list <what>', about: 'tasks or ralphs: names for a script, nothing when the daemon is away' }],
  examples: [
    'bash > ~/.local/share/bash-completion/completions/ralph-fleet',
    'fish > ~/.config/fish/completions/ralph-fleet.fish',
  ],
  run: async (context, { args, options }) => {
    if (options['list'] !== undefined) return list(context, String(options['list']));
    const scripts: Record<string, (table: Table) => string> = { bash, zsh, fish };
    const [shell = ''] = args;
    const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
    if (!script)
      throw new FleetError('usage', 'For which shell?', { remedy: 'ralph-fleet completion bash | zsh | fish' });
    context.io.out(script(context.commands));
    return 0;
  },
};

async function list(context: Parameters<CommandSpec['run']>[0], what: string): Promise<number> {
  const names = await Promise.resolve(
    what === 'ralphs'
      ? context.client.call('ralphs', { idleMs: 200 }).then(({ items }) => items.map((one) => one.name))
      : context.client.call('tasks', { idleMs: 200 }).then(({ items }) => items.map((one) => one.id)),
  ).catch(() => []);
  context.io.out(names.map((name) => `${name}\n`).join(''));
  return 0;
}

const names = (table: Table) => [...table.map((entry) => entry.name), 'help'].join(' ');
const subs = (table: Table) =>
  table.flatMap((entry) => (entry.sub ? [[entry.name, entry.sub.join(' ')] as const] : []));

function bash(table: Table): string {
  const cases = subs(table).map(([name, words]) => `    ${name}) COMPREPLY=($(compgen -W "${words}" -- "$word")) ;;`);
  return `_ralph_fleet() {
  local word=\${COMP_WORDS[COMP_CWORD]} first=\${COMP_WORDS[1]}
  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "${names(table)}" -- "$word")); return; fi
  if [ "$COMP_CWORD" -eq 3 ] && [ "$first" = task ]; then COMPREPLY=($(compgen -W "$(${ids('tasks')})" -- "$word")); return; fi
  [ "$COMP_CWORD" -eq 2 ] || { COMPREPLY=($(compgen -f -- "$word")); return; }
  case $first in
${cases.join('\n')}
    ${takesTask.join('|')}) COMPREPLY=($(compgen -W "$(${ids('tasks')})" -- "$word")) ;;
    ${takesRalph.join('|')}) COMPREPLY=($(compgen -W "$(${ids('ralphs')})" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}
complete -o filenames -F _ralph_fleet ralph-fleet
`;
}

function zsh(table: Table): string {
  return `#compdef ralph-fleet
autoload -U +X bashcompinit && bashcompinit
${bash(table)}`;
}

function fish(table: Table): string {
  const lines = table.map(
    (entry) =>
      `complete -c ralph-fleet -n __fish_use_subcommand -a ${entry.name} -d '${entry.summary.replaceAll("'", "\\'")}'`,
  );
  const nested = subs(table).map(
    ([name, words]) => `complete -c ralph-fleet -n '__fish_seen_subcommand_from ${name}' -a '${words}'`,
  );
  const tasks = `complete -c ralph-fleet -f -n '__fish_seen_subcommand_from ${takesTask.join(' ')} task' -a '(${ids('tasks')})'`;
  const ralphs = `complete -c ralph-fleet -f -n '__fish_seen_subcommand_from ${takesRalph.join(' ')}' -a '(${ids('ralphs')})'`;
  return `${[...lines, ...nested, tasks, ralphs].join('\n')}\n`;
}
