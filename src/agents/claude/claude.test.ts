import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AgentExit, AgentRun, StreamItem, StreamSummary } from '../agent.ts';
import { createClaudeAdapter } from './adapter.ts';
import { judgeClaude } from './judge.ts';
import { createClaudeParser } from './parser.ts';

const encode = (text: string) => new TextEncoder().encode(text);

function parse(lines: unknown[]): { items: StreamItem[]; summary: StreamSummary } {
  const parser = createClaudeParser();
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  const items = [...parser.push(encode(text)), ...parser.end()];
  return { items, summary: parser.summary() };
}

const assistant = (...content: unknown[]) => ({ type: 'assistant', message: { content } });
const result = (more: object) => ({ is_error: false, subtype: 'success', result: 'ok', type: 'result', ...more });
const ended = (exitCode: number | null): AgentExit => ({ exitCode, signal: null, timedOut: false });
const judged = (exit: AgentExit, lines: unknown[]) => judgeClaude(exit, parse(lines).summary).outcome;

describe('the stream', () => {
  it('shows text, tools and results, and what the agent does now', () => {
    const { items, summary } = parse([
      assistant({ type: 'thinking', thinking: 'hm' }, { type: 'text', text: 'I \u001b[31mmend\u001b[0m it.' }),
      assistant({ type: 'tool_use', name: 'Edit', input: { file_path: '/home/ralph1/work/src/parse.ts' } }),
      { type: 'user', message: { content: [{ type: 'tool_result', content: [{ type: 'text', text: 'fine' }] }] } },
      { type: 'user', message: { content: [{ type: 'tool_result', content: 'bad', is_error: true }] } },
    ]);
    expect(items).toEqual([
      { kind: 'text', text: 'I mend it.' },
      { kind: 'tool', name: 'Edit', detail: 'src/parse.ts' },
      { kind: 'tool-result', ok: true, text: 'fine' },
      { kind: 'tool-result', ok: false, text: 'bad' },
    ]);
    expect(summary.doing).toBe('edits src/parse.ts');
  });

  it('keeps the last of several results', () => {
    expect(parse([result({ result: 'one' }), result({ result: 'two' })]).summary.result?.text).toBe('two');
  });

  it('lets unknown types and blocks pass and counts what is not a line of the CLI', () => {
    const { items, summary } = parse([
      { type: 'brand_new', x: 1 },
      { type: 'system', subtype: 'brand_new' },
      assistant({ type: 'hologram' }),
      '{"type":"result"',
      '[1,2]',
      '{"type":5}',
      { type: 'result', subtype: 'success' },
    ]);
    expect(items.map((item) => item.kind)).toEqual(['garbage', 'garbage', 'garbage', 'garbage']);
    expect(summary).toMatchObject({ lines: 7, garbageLines: 4, result: null });
  });

  it('remembers until when a usage limit holds', () => {
    const event = (status: string) => ({ type: 'rate_limit_event', rate_limit_info: { status, resetsAt: 1795232125 } });
    expect(parse([event('allowed_warning')]).summary.rateLimitedUntil).toBeNull();
    expect(parse([event('rejected')]).summary.rateLimitedUntil).toBe(1_795_232_125_000);
  });

  it('remembers how the server of its tools is', () => {
    const init = (...mcp_servers: unknown[]) => ({ type: 'system', subtype: 'init', model: 'm', mcp_servers });
    expect(parse([init({ name: 'ralph', status: 'connected' })]).summary.mcp).toBe('connected');
    expect(parse([init({ name: 'other', status: 'failed' })]).summary.mcp).toBeNull();
    expect(parse([init({ name: 'ralph' }, 7)]).summary.mcp).toBeNull();
    const { items, summary } = parse([init({ name: 'ralph', status: 'failed' })]);
    expect(summary.mcp).toBe('failed');
    expect(items.at(-1)).toEqual({ kind: 'notice', text: 'the server of its tools to end with is failed' });
  });

  it('does not fall over any JSON', () => {
    const types = fc.constantFrom('assistant', 'user', 'system', 'rate_limit_event', 'result', 'other');
    const shapes = fc.oneof(fc.object(), fc.record({ message: fc.record({ content: fc.array(fc.object()) }) }));
    fc.assert(
      fc.property(fc.array(fc.tuple(types, shapes)), (lines) => {
        const { summary } = parse(lines.map(([type, shape]) => ({ ...shape, type })));
        expect(summary.lines).toBe(lines.length);
      }),
    );
  });
});

describe('judging', () => {
  const aborted = { subtype: 'error_during_execution', is_error: true, terminal_reason: 'aborted_tools' };
  const apiError = { is_error: true, api_error_status: 529, terminal_reason: 'api_error', result: 'Overloaded' };

  it.each([
    ['a run that ended well', ended(0), [result({})], 'done'],
    ['out of turns', ended(1), [result({ subtype: 'error_max_turns', is_error: true })], 'partial'],
    ['success that is an error', ended(1), [result(apiError)], 'crashed'],
    ['interrupted, exit code 0', ended(0), [result(aborted)], 'killed'],
    ['exit code 0 and nothing said', ended(0), [], 'crashed'],
    ['exit code 1 after success', ended(1), [result({})], 'crashed'],
    ['SIGTERM as exit code', ended(143), [], 'killed'],
    ['SIGKILL', { exitCode: null, signal: 'SIGKILL', timedOut: false }, [], 'killed'],
    ['time over', { exitCode: 143, signal: null, timedOut: true }, [result({})], 'timed_out'],
    ['no such command', ended(127), [], 'crashed'],
  ])('%s', (_, exit, lines, outcome) => {
    expect(judged(exit, lines)).toBe(outcome);
  });

  it('says why the model API failed', () => {
    const { reason } = judgeClaude(ended(1), parse([result(apiError)]).summary);
    expect(reason).toBe('the model API answered 529: Overloaded');
  });
});

const run: AgentRun = {
  role: 'implementer',
  home: '/home/ralph1',
  workspace: '/home/ralph1/work',
  jobDir: '/jobs/it-1',
  promptFile: '/jobs/it-1/prompt $(x).md',
  model: '$(touch /tmp/x)',
  maxTurns: 7,
  gatewayUrl: 'http://127.0.0.1:4141',
  token: 'rft_secret',
  telemetry: null,
  iteration: 1,
  scenario: null,
};

it('says nothing of itself unless that is wanted, and never what was said', () => {
  const { command } = createClaudeAdapter();
  const names = (given: AgentRun) =>
    Object.keys(command(given).env).filter((name) => /OTEL|TRACE|ENABLE_TEL/.test(name));
  expect(names(run)).toEqual([]);
  const telemetry = { url: 'http://127.0.0.1:4141/otel', traceparent: '00-a-b-01' };
  expect(command({ ...run, telemetry }).env).toMatchObject({
    ...{ CLAUDE_CODE_ENABLE_TELEMETRY: '1', CLAUDE_CODE_PROPAGATE_TRACEPARENT: '1', TRACEPARENT: '00-a-b-01' },
    ...{ OTEL_METRICS_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4141/otel' },
    OTEL_EXPORTER_OTLP_HEADERS: 'x-api-key=rft_secret',
  });
  expect(names({ ...run, telemetry }).filter((name) => name.startsWith('OTEL_LOG_'))).toEqual([]);
});

it('gives the prompt by a file and the token by the environment only', () => {
  const command = createClaudeAdapter().command(run);
  expect(command.argv).toContain('$(touch /tmp/x)');
  expect(command.argv[2]).not.toContain('prompt $(x)');
  expect(JSON.stringify([command.argv, command.files])).not.toContain('rft_secret');
});
