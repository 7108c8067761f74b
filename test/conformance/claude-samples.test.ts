import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createClaudeAdapter } from '../../src/agents/claude/adapter.ts';
import { sampleRun } from './agent-suite.ts';

/** Lines that Claude Code 2.1.329 printed, one file per kind. */
const folder = 'test/fixtures/claude';
const samples = readdirSync(folder).sort();
const adapter = createClaudeAdapter();

function readSample(name: string) {
  const parser = adapter.parser();
  const bytes = readFileSync(join(folder, name));
  return { bytes, items: [...parser.push(bytes), ...parser.end()], summary: parser.summary() };
}

it.each(samples)('reads %s', (name) => {
  expect(readSample(name).summary.garbageLines).toBe(0);
});

it('reads of all samples what a person would see', () => {
  const shown = samples.map((name) => {
    const { items, summary } = readSample(name);
    const judged = summary.result
      ? adapter.judge({ exitCode: summary.result.isError ? 1 : 0, signal: null, timedOut: false }, summary)
      : null;
    return { name, items, doing: summary.doing, judged, rateLimitedUntil: summary.rateLimitedUntil };
  });
  expect(shown).toMatchSnapshot();
});

it('shows every sample in the pane', () => {
  const input = Buffer.concat(samples.map((name) => readSample(name).bytes));
  const pane = spawnSync('jq', ['--unbuffered', '-Rr', adapter.command(sampleRun).paneFilter], { input });
  expect(pane.stderr.toString()).toBe('');
  expect(pane.stdout.toString()).toMatchSnapshot();
});
