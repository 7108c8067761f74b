import { FleetError } from '../lib/errors.ts';
import type { AgentAdapter } from './agent.ts';
import { createClaudeAdapter } from './claude/adapter.ts';
import { createScriptedAdapter } from './scripted/adapter.ts';

/** The only file that names agent CLIs. A new one: a folder with an adapter, and a line here. */
const adapters = {
  claude: createClaudeAdapter,
  scripted: createScriptedAdapter,
} as const satisfies Record<string, () => AgentAdapter>;

export type AgentName = keyof typeof adapters;
export const agentNames = Object.keys(adapters).sort() as AgentName[];

/** The adapter of that name; `usage` with the known names when there is none. */
export function createAgent(name: string): AgentAdapter {
  if (!Object.hasOwn(adapters, name)) {
    throw new FleetError('usage', `There is no agent CLI \`${name}\`.`, {
      remedy: `Use one of: ${agentNames.map((known) => `\`${known}\``).join(', ')}.`,
    });
  }
  return adapters[name as AgentName]();
}
