import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lackedOf } from '../../src/loop/arrived.ts';
import { readSignals } from '../../src/loop/signals.ts';
import { loadPrompts } from '../../src/prompts/prompts.ts';
import { installClaudeCode } from '../fixtures/claude-code.ts';
import { type ModelApi, type ModelRule, startModelApi } from '../fixtures/model-api.ts';
import { type ClaudePlay, claudeAdapter, endClaude, runClaude } from '../support/claude-run.ts';
import { type FakeGuest, startFakeGuest } from '../support/fake-guest.ts';
import { type GatewayProcess, grantFor, startGatewayProcess, until } from '../support/gateway-process.ts';

/** The real Claude Code CLI with its iteration's tools: adapter, prompt, tunnel and gateway are the real ones. */
const bin = installClaudeCode();
const nonce = '0123456789abcdef0123456789abcdef';
const token = `rft_${randomBytes(16).toString('hex')}`;
let root = '';
let api: ModelApi;
let guest: FakeGuest;
let gateway: GatewayProcess;
let agent: ChildProcess | null = null;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'rf-tools-'));
  api = await startModelApi();
  guest = await startFakeGuest(join(root, 'g'));
  const env = { ANTHROPIC_API_KEY: 'sk-ant-not-a-key' };
  gateway = await startGatewayProcess(root, { upstream: api.url, guestSocket: guest.guestSocket, env });
  await gateway.client.putTunnel('vm1', guest.tunnel);
  await until('tunnel connected', async () => (await gateway.client.tunnels())[0]?.state === 'connected');
});
afterEach(async () => {
  await endClaude(agent);
  await gateway.end('SIGKILL');
  await guest.close();
  await api.close();
  rmSync(root, { recursive: true, force: true });
});

const tool = claudeAdapter.mcpTool ?? (() => '');
const call = (verb: string, input: Record<string, unknown>) => ({ name: tool(verb), input });

async function play(role: 'implementer' | 'reviewer', rules: ModelRule[], spoil?: ClaudePlay['spoil']) {
  api.setRules(rules);
  const marks = { prompt: nonce, tool: tool(role === 'reviewer' ? 'verdict' : 'done') };
  await gateway.client.putGrant('g1', grantFor(token, { role, marks }));
  const prompts = await loadPrompts('prompts');
  const task = { id: 'T1', title: 'a task', description: 'd', contextFiles: [], notes: [], questions: [], base: null };
  const input = { task, checks: [], budgetLeft: '', nonce, mcpTool: claudeAdapter.mcpTool };
  const history = { checkRuns: [], iterations: [] };
  const change = { base: 'b', commit: 'c', diff: '', evidence: [], protectedChanges: [] };
  const prompt =
    role === 'implementer'
      ? prompts.implementer({ ...input, protectedFiles: [], iteration: 1, history, lessons: [] })
      : prompts.reviewer({ ...input, change, earlierFindings: [], round: 1 });
  const onStart = (started: ChildProcess) => {
    agent = started;
  };
  const run = { role, gatewayUrl: guest.url, token };
  const ran = await runClaude({ bin, root, prompt, run, onStart, ...(spoil === undefined ? {} : { spoil }) });
  const said = await gateway.client.said('i1');
  const signals = readSignals({ role, nonce, calls: said.calls, refusedCalls: said.refused, file: new Uint8Array() });
  return { ...ran, said, signals, lacked: lackedOf(said.arrived, ran.seen.mcp) };
}

it('ends by a tool that its prompt names, and what it says arrives; the token is in no argument and no file', async () => {
  const verbs = ['learned', 'flag', 'done'];
  const { items, seen, judged, signals, lacked } = await play('implementer', [
    {
      times: 1,
      reply: {
        tools: [
          call('learned', { text: 'Run make gen first.', kind: 'command' }),
          call('flag', { what: 'A key in config.js', severity: 'high', category: 'security' }),
          call('done', { summary: '<what you changed>' }),
          call('done', { summary: 'made a.txt' }),
          { name: 'Bash', input: { command: 'tr "\\0" " " < /proc/$PPID/cmdline; cat ~/.ralph-mcp.json' } },
        ],
      },
    },
  ]);
  expect({ judged: judged.outcome, mcp: seen.mcp, lacked }).toEqual({ judged: 'done', mcp: 'connected', lacked: null });
  expect(signals).toEqual({
    closing: { verb: 'done', text: 'made a.txt' },
    ask: null,
    verdict: null,
    learned: [{ text: 'Run make gen first.', kind: 'command', scope: 'project' }],
    flags: [{ what: 'A key in config.js', severity: 'high', category: 'security' }],
    refused: 1,
  });
  const results = items.flatMap((item) => (item.kind === 'tool-result' ? [item] : []));
  expect(results.map((item) => item.ok)).toEqual([true, true, false, true, true]);
  expect(results[2]?.text).toContain('in place of your own words');
  expect(results[4]?.text).toContain('--strict-mcp-config');
  expect(results[4]?.text).not.toContain(token);
  for (const verb of verbs) expect(api.requests[0]?.firstUser).toContain(`\`${tool(verb)}\``);
  expect(readFileSync(join(root, 'home/.ralph-mcp.json'), 'utf8')).not.toContain(token);
});

it('gives a reviewer a verdict, and nothing to say done with', async () => {
  const finding = { file: 'a.ts', line: 3, severity: 'major', what: 'loses data', why: 'users lose data' };
  const { items, signals, lacked } = await play('reviewer', [
    {
      times: 1,
      reply: {
        tools: [
          call('done', { summary: 'x' }),
          call('verdict', { decision: 'request_changes', findings: [finding], summary: 'not yet' }),
        ],
      },
    },
  ]);
  expect(signals.verdict).toEqual({ decision: 'request_changes', findings: [finding], summary: 'not yet' });
  expect(items.flatMap((item) => (item.kind === 'tool-result' ? [item.ok] : []))).toEqual([false, true]);
  expect(lacked).toBeNull();
});

it('that was not given its tools is not blamed for its silence', async () => {
  const rules: ModelRule[] = [{ reply: { text: 'I have no tool to end with.' } }];
  const { seen, said, judged, lacked } = await play('implementer', rules, (path, content) =>
    path.endsWith('mcp.json') ? content.replace('/mcp', '/elsewhere') : content,
  );
  expect({ mcp: seen.mcp, outcome: judged.outcome }).toEqual({ mcp: 'failed', outcome: 'done' });
  expect(said.arrived).toEqual({ prompt: expect.any(Number), tools: null });
  expect(lacked).toBe('the model was not given the tools to end with (its agent CLI says: their server is failed)');
});
