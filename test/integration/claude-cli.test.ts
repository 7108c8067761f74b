import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { StreamItem } from '../../src/agents/agent.ts';
import { createAgent } from '../../src/agents/registry.ts';
import { readSignals } from '../../src/loop/signals.ts';
import { loadPrompts } from '../../src/prompts/prompts.ts';
import { sampleRun } from '../conformance/agent-suite.ts';
import { installClaudeCode } from '../fixtures/claude-code.ts';
import { type ModelApi, type ModelReply, type ModelRequest, startModelApi } from '../fixtures/model-api.ts';

/** The real Claude Code CLI, with exactly the adapter's command, environment and files, against a local model API. */
const bin = installClaudeCode();
const adapter = createAgent('claude');
const nonce = '0123456789abcdef0123456789abcdef';
let root = '';
let model: ModelApi | null = null;
let child: ChildProcess | null = null;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rf-claude-'));
  mkdirSync(join(root, 'home/work'), { recursive: true });
});
afterEach(async () => {
  if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    process.kill(-child.pid, 'SIGKILL');
    await once(child, 'close');
  }
  await model?.close();
  model = null;
  rmSync(root, { recursive: true, force: true });
});

async function promptWith(description: string, mcpTool = adapter.mcpTool): Promise<string> {
  const task = { id: 'T1', title: 'a task', description, contextFiles: [], notes: [], questions: [], base: null };
  const asked = { checks: [], protectedFiles: ['test/**'], history: { checkRuns: [], iterations: [] }, lessons: [] };
  const prompts = await loadPrompts('prompts');
  return prompts.implementer({ task, ...asked, iteration: 1, budgetLeft: '', nonce, mcpTool });
}

interface Play {
  reply: (request: ModelRequest, n: number) => ModelReply;
  prompt?: string;
  maxTurns?: number;
  /** Called with each item as it comes. */
  onItem?: (item: StreamItem, agent: ChildProcess) => void;
}

async function play({ reply, prompt = 'hi', maxTurns = 10, onItem }: Play) {
  const api = await startModelApi({
    // Each request gets an answer of its own, made from what it says.
    onRequest: (request) => api.setRules([{ reply: reply(request, api.requests.length) }]),
  });
  model = api;
  const home = join(root, 'home');
  const promptFile = join(home, 'prompt.md');
  writeFileSync(promptFile, prompt);
  const run = { ...sampleRun, home, workspace: join(home, 'work'), jobDir: join(root, 'job'), promptFile, maxTurns };
  const command = adapter.command({ ...run, model: 'claude-sonnet-4-5', gatewayUrl: api.url });
  for (const file of command.files) writeFileSync(file.path, file.content, { mode: file.mode });
  const [program = '', ...args] = command.argv;
  const agent = spawn(program, args, {
    cwd: run.workspace,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...command.env,
      HOME: home,
      PATH: `${bin}:${process.env['PATH']}`,
      RALPH_SIGNALS: join(root, 'signals.jsonl'),
    },
  });
  child = agent;
  const parser = adapter.parser();
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
  return {
    items,
    seen,
    stderr,
    judged: adapter.judge({ exitCode, signal, timedOut: false }, seen),
    requests: api.requests,
  };
}

const bash = (command: string) => ({ name: 'Bash', input: { command, description: 'run it' } });

it('works through a task without a dialog and signals with the nonce of its prompt', async () => {
  const description = `Make a.txt. $(touch ${root}/injected) \`touch ${root}/injected\` "; touch ${root}/injected`;
  const prompt = await promptWith(description);
  let firstPrompt = '';
  const { items, seen, judged, requests, stderr } = await play({
    prompt,
    reply: (request, n) => {
      if (n === 1) {
        firstPrompt = request.lastUser;
        const write = { name: 'Write', input: { file_path: join(root, 'home/work/a.txt'), content: 'made\n' } };
        return { text: 'I make the file.', tools: [write] };
      }
      if (n > 2) return { text: 'All done.' };
      // As a model would: takes the prompt's own line and puts words in.
      const line = /printf [^\n]*"done"[^\n]*/.exec(firstPrompt)?.[0] ?? 'false';
      return { tools: [bash(line.replace('<what you changed and why>', 'made a.txt'))] };
    },
  });
  expect({ judged, stderr, garbage: seen.garbageLines }).toEqual({
    judged: { outcome: 'done', reason: 'the agent ended by itself' },
    stderr: '',
    garbage: 0,
  });
  expect(readFileSync(join(root, 'home/work/a.txt'), 'utf8')).toBe('made\n');
  expect(
    readSignals({
      role: 'implementer',
      nonce,
      calls: [],
      refusedCalls: 0,
      file: readFileSync(join(root, 'signals.jsonl')),
    }),
  ).toMatchObject({
    closing: { verb: 'done', text: 'made a.txt' },
    refused: 0,
  });
  expect(existsSync(join(root, 'injected'))).toBe(false);
  expect(items.map((item) => item.kind)).toEqual([
    'notice',
    'text',
    'tool',
    'tool-result',
    'tool',
    'tool-result',
    'text',
  ]);
  expect(requests[0]?.lastUser).toContain(description);
  expect(new Set(requests.map((request) => request.headers['authorization']))).toEqual(
    new Set([`Bearer ${sampleRun.token}`]),
  );
});

it('takes a prompt larger than an argument may be', async () => {
  const prompt = `${'x'.repeat(300_000)} the end`;
  const { judged, requests } = await play({ prompt, reply: () => ({ text: 'ok' }) });
  expect(judged.outcome).toBe('done');
  expect(requests[0]?.lastUser).toContain('x the end');
});

it('is partial when its turns are used up', async () => {
  const { judged } = await play({ maxTurns: 2, reply: () => ({ tools: [bash('echo again')] }) });
  expect(judged).toEqual({ outcome: 'partial', reason: 'the agent used all its turns' });
});

it('says what the model API refused', async () => {
  const { judged, seen } = await play({ reply: () => ({ status: 403, error: { message: 'not for you' } }) });
  expect(judged.outcome).toBe('crashed');
  expect(judged.reason).toMatch(/^the model API answered 403: .*not for you/);
  expect(seen.result?.subtype).toBe('success');
});

it.each(['SIGTERM', 'SIGINT'] as const)('is killed by %s in the middle of an answer', async (signal) => {
  const { judged } = await play({
    reply: (_, n) => (n === 1 ? { text: 'wait', tools: [bash('echo started')] } : { stall: 'start' }),
    onItem: (item, agent) => {
      if (item.kind === 'tool-result') agent.kill(signal);
    },
  });
  expect(judged.outcome).toBe('killed');
});
