import { describe, expect, it } from 'vitest';
import { createScriptedAdapter } from './adapter.ts';
import { parseScenario, stepsOf } from './scenario.ts';

const say = (text: string) => ({ do: 'say' as const, text });

describe('a scenario', () => {
  it('plays the list of the iteration, and the last one again beyond the end', () => {
    const scenario = parseScenario({ version: 1, implementer: [[say('1')], [say('2')]] });
    expect([1, 2, 3, 99].map((n) => stepsOf(scenario, 'implementer', n))).toEqual([
      [say('1')],
      [say('2')],
      [say('2')],
      [say('2')],
    ]);
    expect(stepsOf(scenario, 'reviewer', 1)).toEqual([]);
  });

  it('names every problem at once', () => {
    const bad = { version: 1, implementer: [[{ do: 'write', path: '../x', text: '' }, { do: 'fly' }, { do: 'say' }]] };
    expect(() => parseScenario(bad)).toThrow(/implementer\.0\.0\.path.*implementer\.0\.1\.do.*implementer\.0\.2\.text/);
    for (const value of [null, 5, 'x', [], {}]) expect(() => parseScenario(value)).toThrow(/not valid/);
  });
});

describe('judging', () => {
  const { judge, parser } = createScriptedAdapter();
  const seen = parser().summary();
  const atEnd = {
    ...seen,
    result: { isError: false, subtype: 'end', text: '', apiStatus: null, terminalReason: null },
  };

  it.each([
    [{ exitCode: 0, signal: null, timedOut: false }, atEnd, 'done'],
    [{ exitCode: 0, signal: null, timedOut: false }, seen, 'crashed'],
    [{ exitCode: 3, signal: null, timedOut: false }, seen, 'crashed'],
    [{ exitCode: null, signal: 'SIGKILL', timedOut: false }, seen, 'killed'],
    [{ exitCode: null, signal: null, timedOut: true }, seen, 'timed_out'],
    [{ exitCode: null, signal: null, timedOut: false }, seen, 'crashed'],
  ])('%j', (exit, summary, outcome) => {
    expect(judge(exit, summary).outcome).toBe(outcome);
  });
});
