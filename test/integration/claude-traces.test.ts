import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { genAi, ours } from '../../src/telemetry/traces/attributes.ts';
import { installClaudeCode } from '../fixtures/claude-code.ts';
import { type ModelApi, startModelApi } from '../fixtures/model-api.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../fixtures/otlp-receiver.ts';
import { endClaude, runClaude } from '../support/claude-run.ts';
import { type FakeGuest, startFakeGuest } from '../support/fake-guest.ts';
import { type GatewayProcess, grantFor, startGatewayProcess, until } from '../support/gateway-process.ts';

/** The real Claude Code CLI with its own OpenTelemetry on, through a real tunnel and the real gateway, at an OTLP receiver. */
const bin = installClaudeCode();
const token = `rft_${randomBytes(16).toString('hex')}`;
const secret = `planted${randomBytes(16).toString('hex')}`; // of no known shape, so that no pattern can hide it by luck
const ref = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex') };
let root = '';
let api: ModelApi;
let guest: FakeGuest;
let gateway: GatewayProcess;
let receiver: OtlpReceiver;
let agent: ChildProcess | null = null;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'rf-traces-'));
  api = await startModelApi();
  receiver = await startOtlpReceiver();
  guest = await startFakeGuest(join(root, 'g'));
  const env = { ANTHROPIC_API_KEY: secret };
  gateway = await startGatewayProcess(root, { upstream: api.url, guestSocket: guest.guestSocket, env });
  await gateway.client.putTunnel('vm1', guest.tunnel);
  await until('tunnel connected', async () => (await gateway.client.tunnels())[0]?.state === 'connected');
  await gateway.client.putGrant('g1', grantFor(token, { trace: { ...ref, otlp: receiver.url } }));
});
afterEach(async () => {
  await endClaude(agent);
  await gateway.end('SIGKILL');
  await guest.close();
  await api.close();
  await receiver.close();
  rmSync(root, { recursive: true, force: true });
});

it('its spans and ours are one tree below the iteration, it agrees with the meter, and nothing that was said gets out', async () => {
  const usage = {
    input_tokens: 1234,
    cache_creation_input_tokens: 10,
    cache_read_input_tokens: 900,
    output_tokens: 56,
  };
  const command = `echo ${secret}; env`;
  api.setRules([
    { times: 1, reply: { tools: [{ name: 'Bash', input: { command } }], usage } },
    { reply: { text: `All done with ${secret}.` } },
  ]);
  const telemetry = { url: `${guest.url}/otel`, traceparent: `00-${ref.traceId}-${ref.spanId}-01` };
  const onStart = (started: ChildProcess) => {
    agent = started;
  };
  const run = { gatewayUrl: guest.url, token, telemetry };
  const { judged, items } = await runClaude({ bin, root, prompt: `Say ${secret}`, run, onStart });
  expect(judged.outcome).toBe('done');
  await gateway.client.deleteGrant('g1');
  const usageSpan = await until('usage', () => receiver.spans.find(({ name }) => name === 'agent.usage'));
  await until('the call', () => receiver.spans.filter(({ name }) => name.startsWith('chat ')).length === 2);

  const byId = new Map(receiver.spans.map((span) => [span.spanId, span]));
  const pathOf = (id: string | null): string => {
    const span = byId.get(id ?? '');
    return span === undefined
      ? id === ref.spanId
        ? 'iteration'
        : 'lost'
      : `${pathOf(span.parentSpanId)}/${span.name}`;
  };
  const paths = receiver.spans.map(({ spanId }) => pathOf(spanId));
  const interaction = 'iteration/claude_code.interaction';
  expect(paths.filter((path) => !path.includes('/execute_tool')).sort()).toEqual(
    [
      interaction,
      ...Array(2).fill(`${interaction}/claude_code.llm_request`),
      ...Array(2).fill(`${interaction}/claude_code.llm_request/chat claude-sonnet-4-5`),
      `${interaction}/claude_code.tool`,
      `${interaction}/claude_code.tool/claude_code.tool.blocked_on_user`,
      `${interaction}/claude_code.tool/claude_code.tool.execution`,
      'iteration/agent.usage',
    ].sort(),
  );
  expect(new Set(receiver.spans.map(({ attributes }) => attributes[ours.iteration]))).toEqual(new Set(['i1']));
  expect(usageSpan.attributes).toMatchObject({
    ...{ [ours.saidCalls]: 2, [ours.modelCalls]: 2, [ours.saysOtherwise]: false },
    ...{ [ours.saidInputTokens]: usageSpan.attributes[genAi.inputTokens] },
  });
  const tool = receiver.spans.find(({ name }) => name === 'claude_code.tool');
  expect(tool?.attributes).toMatchObject({ [genAi.toolName]: 'Bash', [ours.isUntrusted]: true });
  await until('its events', () => receiver.events.some(({ name }) => name === 'claude_code.tool_result'));

  const sent = receiver.bodies.join();
  for (const word of [secret, token, 'user.id', 'bash_argv0', 'terminal.type']) expect(sent).not.toContain(word);
  expect(receiver.strange).toEqual([]);
  // What the agent runs in turn does not get the way there.
  const printed = items.flatMap((item) => (item.kind === 'tool-result' ? [item.text] : [])).join();
  expect(printed).toContain('TRACEPARENT=');
  expect(printed).not.toContain('OTEL_');
});
