import { FleetError } from '../../lib/errors.ts';
import { nearest } from '../../lib/nearest.ts';
import { renderStates } from '../render/lists.ts';
import type { Look } from '../render/look.ts';
import { groups } from './command.ts';
import { commandTable } from './table.ts';

export function rootHelp(version: string): string[] {
  const sections = groups.flatMap((group) => [
    '',
    group[0]?.toUpperCase() + group.slice(1),
    ...commandTable
      .filter((entry) => entry.group === group)
      .map((entry) => `  ${entry.name.padEnd(12)}${entry.summary}`),
  ]);
  return [
    `ralph-fleet ${version}: coding agents in virtual machines of their own; you approve what they made.`,
    '',
    'Examples',
    '  ralph-fleet up --demo          see a whole walk, without an account',
    '  ralph-fleet submit TASK.md     hand in a task for your repository',
    '  ralph-fleet status             what needs you, and what everyone does',
    ...sections,
    '',
    'Every command: --json, --help. Topics: ralph-fleet help exit-codes | states | environment',
  ];
}

const exitCodes = [
  ['0', 'done'],
  ['1', 'failed: something broke'],
  ['2', 'usage, or an invalid file: ralph-fleet submit half.json'],
  ['3', 'not found: ralph-fleet why T999'],
  ['4', 'refused because of state: approve of a commit that is no longer the newest'],
  ['5', 'daemon or driver unavailable: status while nothing runs'],
  ['6', 'over budget'],
  ['10', 'status --exit-code: something needs you'],
  ['124', 'wait --timeout: it did not get there in time'],
  ['130', 'interrupted'],
] as const;

const environment = [
  ['RALPH_FLEET_CONFIG', 'another fleet.yaml (as --config)'],
  ['RALPH_FLEET_ASCII=1', 'no signs beyond ASCII (as --ascii)'],
  ['NO_COLOR', 'no colour'],
  ['CLICOLOR_FORCE, FORCE_COLOR', 'colour without a terminal'],
  ['XDG_CONFIG_HOME', 'where ralph-fleet/fleet.yaml is; default ~/.config'],
  ['XDG_STATE_HOME', 'databases, repositories, runs; default ~/.local/state'],
  ['XDG_CACHE_HOME', 'images and prepared disks, may be deleted; default ~/.cache'],
  ['XDG_RUNTIME_DIR', 'sockets; default: in the state folder'],
  ['ANTHROPIC_API_KEY', 'the credential where fleet.yaml names no other; never enters a VM'],
  ['CLAUDE_CODE_OAUTH_TOKEN', 'a token of `claude setup-token`, where fleet.yaml says `from: setup-token`'],
] as const;

const topics: Record<string, (look: Look) => string[]> = {
  'exit-codes': () => exitCodes.map(([code, meaning]) => `  ${code.padStart(3)}  ${meaning}`),
  states: renderStates,
  environment: () => environment.map(([name, meaning]) => `  ${name.padEnd(28)}${meaning}`),
};
export const helpTopics = Object.keys(topics);

export function topicHelp(topic: string, look: Look): string[] {
  const render = topics[topic];
  if (render && Object.hasOwn(topics, topic)) return render(look);
  throw unknownCommand(topic, [...helpTopics, ...commandTable.map((entry) => entry.name)], 'help topic or command');
}

export function unknownCommand(word: string, known: readonly string[], noun = 'command'): FleetError {
  const near = nearest(word, known);
  const hint = near.length > 0 ? `Did you mean: ${near.join(', ')}?   ` : '';
  return new FleetError('usage', `There is no ${noun} \`${word.slice(0, 60)}\`.`, {
    remedy: `${hint}ralph-fleet --help`,
  });
}
