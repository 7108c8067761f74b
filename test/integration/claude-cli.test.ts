import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { StreamItem } from '../../src/agents/agent.ts';
import { readSignals } from '../../src/loop/signals.ts';
import { loadPrompts } from '../../src/prompts/prompts.ts';
import { sampleRun } from '../conformance/agent-suite.ts';
import { installClaudeCode } from '../fixtures/claude-code.ts';
import { type ModelApi, type ModelReply, type ModelRequest, startModelApi } from '../fixtures/model-api.ts';
import { endClaude, runClaude } from '../support/claude-run.ts';

/** The real Claude Code CLI, with exactly the adapter's command, environment and files, against a local model API: no gateway, so no tools. */
const bin = installClaudeCode();
const nonce = '0123456789abcdef0123456789abcdef';
let root = '';
let model: ModelApi | null = null;
let child: ChildProcess | null = null;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rf-claude-'));
});
afterEach(async () => {
  await endClaude(child);
  await model?.close();
  model = null;
  rmSync(root, { recursive: true, force: true });
});

async function promptWith(description: string): Promise<string> {
  const task = { id: 'T1', title: 'a task', description, contextFiles: [], notes: [], questions: [], base: null };
  const asked = { checks: [], protectedFiles: ['test/**'], history: { checkRuns: [], iterations: [] }, lessons: [] };
  const prompts = await loadPrompts('prompts');
  return prompts.implementer({ task, ...asked, iteration: 1, budgetLeft: '', nonce, mcpTool: null });
}

interface Play {
  reply: (request: ModelRequest, n: number) => ModelReply;
  prompt?: string;
  maxTurns?: number;
  /** Called with each item as it comes. */
  onItem?: (item: StreamItem, agent: ChildProcess) => void;
}

async function play({ reply, prompt = 'hi', maxTurns = 10, onItem }: Play) {
  const asked: ModelRequest[] = [];
  const api = await startModelApi({
    // Each request gets an answer of its own, made from what it says.
    onRequest: (request) => {
      if (request.url.startsWith('/v1/messages')) api.setRules([{ reply: reply(request, asked.push(request)) }]);
    },
  });
  model = api;
  const ran = await runClaude({
    ...{ bin, root, prompt, run: { maxTurns, gatewayUrl: api.url } },
    onStart: (agent) => {
      child = agent;
    },
    ...(onItem === undefined ? {} : { onItem }),
  });
  return { ...ran, requests: asked };
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
  expect(seen.mcp).toBe('failed');
  expect(items.map((item) => item.kind)).toEqual([
    'notice',
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
