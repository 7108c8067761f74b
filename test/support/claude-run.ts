import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentRun, StreamItem } from '../../src/agents/agent.ts';
import { createAgent } from '../../src/agents/registry.ts';
import { sampleRun } from '../conformance/agent-suite.ts';

export const claudeAdapter = createAgent('claude');

export interface ClaudePlay {
  /** The folder with the `claude` command. */
  bin: string;
  /** Holds its home, and `signals.jsonl`. */
  root: string;
  prompt: string;
  run: Partial<AgentRun>;
  /** Writes another text into a file of the adapter's. */
  spoil?: (path: string, content: string) => string;
  onStart?: (agent: ChildProcess) => void;
  /** Called with each item as it comes. */
  onItem?: (item: StreamItem, agent: ChildProcess) => void;
}

/** One run of the real CLI with exactly the adapter's command, environment and files. */
export async function runClaude({ bin, root, prompt, run, spoil, onStart, onItem }: ClaudePlay) {
  const home = join(root, 'home');
  const workspace = join(home, 'work');
  mkdirSync(workspace, { recursive: true });
  const promptFile = join(home, 'prompt.md');
  writeFileSync(promptFile, prompt);
  const own = { home, workspace, jobDir: join(root, 'job'), promptFile, model: 'claude-sonnet-4-5' };
  const command = claudeAdapter.command({ ...sampleRun, ...own, ...run });
  for (const { path, content, mode } of command.files) writeFileSync(path, spoil?.(path, content) ?? content, { mode });
  const [program = '', ...args] = command.argv;
  const signals = join(root, 'signals.jsonl');
  const agent = spawn(program, args, {
    cwd: workspace,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...command.env, HOME: home, PATH: `${bin}:${process.env['PATH']}`, RALPH_SIGNALS: signals },
  });
  onStart?.(agent);
  const parser = claudeAdapter.parser();
  const items: StreamItem[] = [];
  let stderr = '';
  agent.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  agent.stdout.on('data', (chunk: Buffer) => {
    for (const item of parser.push(chunk)) {
      items.push(item);
      onItem?.(item, agent);
    }
  });
  const [exitCode, signal] = (await once(agent, 'close')) as [number | null, string | null];
  items.push(...parser.end());
  const seen = parser.summary();
  return { items, seen, stderr, judged: claudeAdapter.judge({ exitCode, signal, timedOut: false }, seen) };
}

/** Ends what is left of a run. */
export async function endClaude(agent: ChildProcess | null): Promise<void> {
  if (agent?.pid === undefined || agent.exitCode !== null || agent.signalCode !== null) return;
  process.kill(-agent.pid, 'SIGKILL');
  await once(agent, 'close');
}
