import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AgentAdapter, AgentExit, AgentRun, StreamItem, StreamSummary } from '../../src/agents/agent.ts';

/** What every agent CLI's adapter must keep, whatever the CLI. */
export const sampleRun: AgentRun = {
  role: 'implementer',
  home: '/home/ralph1',
  workspace: '/home/ralph1/work',
  jobDir: '/var/lib/ralph/jobs/it-0a1b2c3d',
  promptFile: '/var/lib/ralph/jobs/it-0a1b2c3d/prompt.md',
  model: 'some-model',
  maxTurns: 12,
  gatewayUrl: 'http://127.0.0.1:4141',
  token: 'rft_0123456789abcdef0123456789abcdef',
  iteration: 1,
  telemetry: null,
  scenario: { version: 1, implementer: [[{ do: 'say', text: 'hi' }]], reviewer: [[{ do: 'say', text: 'hi' }]] },
};

export function describeAgent(adapter: AgentAdapter): void {
  describe(`agent \`${adapter.name}\``, () => {
    commandTests(adapter);
    parserTests(adapter);
    judgeTests(adapter);
    paneTests(adapter);
  });
}

function commandTests(adapter: AgentAdapter): void {
  it.each(['implementer', 'reviewer'] as const)('keeps the token out of argv and files, as %s', (role) => {
    const command = adapter.command({ ...sampleRun, role });
    expect(JSON.stringify([command.argv, command.files, command.paneFilter])).not.toContain(sampleRun.token);
    expect(JSON.stringify(command)).not.toContain(sampleRun.token.slice(-12, -1).concat('"'));
  });

  it('writes only into home, workspace and job folder, and nothing that others can read', () => {
    const folders = [sampleRun.home, sampleRun.workspace, sampleRun.jobDir];
    for (const file of adapter.command(sampleRun).files) {
      expect(folders.some((folder) => file.path.startsWith(`${folder}/`))).toBe(true);
      expect(file.path.split('/')).not.toContain('..');
      expect(file.mode & 0o077).toBe(0);
    }
  });

  it('is the same for the same run, and stays far below the limit of an argument list', () => {
    const run = { ...sampleRun, model: null };
    expect(adapter.command(run)).toEqual(adapter.command(run));
    expect(adapter.command(run).argv.join(' ').length).toBeLessThan(8192);
    expect(Object.values(adapter.command(run).env)).not.toContain('');
  });
}

function parserTests(adapter: AgentAdapter): void {
  const jsonLine = fc.object().map((value) => Buffer.from(`${JSON.stringify(value)}\n`));
  const piece = fc.oneof(fc.uint8Array({ maxLength: 200 }), jsonLine, fc.constant(Buffer.from('{"type":"assistant"')));

  it('reads any bytes the same in any pieces', () => {
    fc.assert(
      fc.property(fc.array(piece), fc.array(fc.nat(), { maxLength: 6 }), (pieces, cuts) => {
        const all = Buffer.concat(pieces);
        const whole = parseIn(adapter, all, []);
        expect(parseIn(adapter, all, cuts)).toEqual(whole);
        for (const item of whole.items) {
          expect(JSON.stringify(item).length).toBeLessThan(20_000);
          expect(Object.values(item).join('')).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('keeps little of 200 MB on one line', () => {
    const parser = adapter.parser();
    const chunk = Buffer.alloc(1024 * 1024, '{"a":"');
    const before = process.memoryUsage();
    let most = 0;
    for (let at = 0; at < 200; at++) {
      parser.push(chunk);
      const now = process.memoryUsage();
      most = Math.max(most, now.arrayBuffers + now.heapUsed - before.arrayBuffers - before.heapUsed);
    }
    const items = [...parser.push(Buffer.from('\n')), ...parser.end()];
    expect(items).toEqual([{ kind: 'garbage', bytes: 200 * 1024 * 1024 }]);
    expect(most).toBeLessThan(100 * 1024 * 1024);
  });
}

function parseIn(adapter: AgentAdapter, all: Uint8Array, cuts: number[]) {
  const parser = adapter.parser();
  const items: StreamItem[] = [];
  let from = 0;
  for (const to of [...cuts.map((cut) => cut % (all.length + 1)).sort((a, b) => a - b), all.length]) {
    items.push(...parser.push(all.subarray(from, to)));
    from = to;
  }
  items.push(...parser.end());
  return { items, summary: parser.summary() };
}

function judgeTests(adapter: AgentAdapter): void {
  const text = fc.oneof(
    fc.constantFrom('success', 'error_max_turns', 'aborted_tools', 'api_error', 'end'),
    fc.string(),
  );
  const exit: fc.Arbitrary<AgentExit> = fc.record({
    exitCode: fc.option(fc.integer({ min: 0, max: 255 })),
    signal: fc.option(fc.constantFrom('SIGTERM', 'SIGKILL', 'SIGSEGV')),
    timedOut: fc.boolean(),
  });
  const seen: fc.Arbitrary<StreamSummary> = fc.record({
    result: fc.option(
      fc.record({
        isError: fc.boolean(),
        subtype: text,
        text,
        apiStatus: fc.option(fc.integer()),
        terminalReason: fc.option(text),
      }),
    ),
    doing: fc.option(text),
    lines: fc.nat(),
    garbageLines: fc.nat(),
    rateLimitedUntil: fc.option(fc.nat()),
    mcp: fc.option(text),
  });

  it('judges every exit, and never with what only the host can know', () => {
    fc.assert(
      fc.property(exit, seen, (how, summary) => {
        const judged = adapter.judge(how, summary);
        expect(['done', 'partial', 'crashed', 'timed_out', 'killed']).toContain(judged.outcome);
        expect(judged.reason).not.toBe('');
        if (how.timedOut) expect(judged.outcome).toBe('timed_out');
        if (judged.outcome === 'done') expect(how).toEqual({ exitCode: 0, signal: null, timedOut: false });
        if (summary.result === null) expect(judged.outcome).not.toBe('done');
      }),
    );
  });
}

function paneTests(adapter: AgentAdapter): void {
  const filter = adapter.command(sampleRun).paneFilter;
  const show = (input: Uint8Array) => spawnSync('jq', ['--unbuffered', '-Rr', filter], { input, maxBuffer: 2 ** 28 });

  it('shows garbage in the pane without failing, and passes no control character of it on', () => {
    const hostile = ['assistant', 'user', 'system', 'result', 'say', 'tool', 'tool-result', 'rate_limit_event'].flatMap(
      (type) =>
        [undefined, null, 5, 'x', [], [5], [{ type: 'text' }], { content: 5 }, { content: [{ type: 'tool_use' }] }].map(
          (message) =>
            JSON.stringify({ type, message, text: message, name: message, detail: message, result: message }),
        ),
    );
    const lines = [
      'not json \u001b]0;title\u0007 \u009b2J',
      '{"type":',
      '[]',
      '"text"',
      '',
      JSON.stringify({ type: 'say', text: '\u001b[2Jhidden\u202e' }),
      JSON.stringify({ type: 'assistant', message: { content: [{ type: 'text', text: '\u001b[2Jhidden\u202e' }] } }),
      ...hostile,
    ];
    const noise = Buffer.from([0xff, 0xfe, 10, 0xc3, 10, 0, 10]);
    const shown = show(Buffer.concat([Buffer.from(`${lines.join('\n')}\n`), noise, Buffer.alloc(3_000_000, 'x')]));
    expect(shown.stderr.toString()).toBe('');
    expect(shown.status).toBe(0);
    // Only the filter's own colours may hold an escape.
    const rest = shown.stdout.toString().replace(/\u001b\[(0|2|31|36)m/g, '');
    expect(rest).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(rest).toContain('hidden');
    expect(rest).toContain('(a line of 3000000 characters)');
  });
}
