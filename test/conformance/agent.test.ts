import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { agentNames, createAgent } from '../../src/agents/registry.ts';
import { describeAgent } from './agent-suite.ts';

it('has a folder for each agent CLI, and an agent CLI for each folder', () => {
  const folders = readdirSync('src/agents', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(folders.map((entry) => entry.name).sort()).toEqual(agentNames);
});

it('names the agent CLIs there are when asked for another', () => {
  for (const name of ['klaude', '', 'constructor', '__proto__']) {
    expect(() => createAgent(name)).toThrow(`There is no agent CLI \`${name}\`.`);
  }
});

for (const name of agentNames) describeAgent(createAgent(name));
