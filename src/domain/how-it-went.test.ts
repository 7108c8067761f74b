import { expect, it } from 'vitest';
import { anIteration, aRun, aTask, head } from '../../test/support/rows.ts';
import { howItWent } from './how-it-went.ts';

const task = aTask({ phase: 'failed', head });
const ended = (n: number, reason: string, summary: string | null = null) =>
  anIteration({ id: `it-${n}`, n, phase: 'ended', outcome: n === 1 ? 'partial' : 'stuck', reason, summary });
const results = [
  { id: 'unit', passed: true, exitCode: 0, timedOut: false, ms: 1, tail: '' },
  {
    id: 'e2e',
    passed: false,
    exitCode: 1,
    timedOut: false,
    ms: 1,
    tail: 'ran\n',
    stderrTail: 'Error: \u001b[31mno port\n',
  },
];

it('says what was tried, what the checks said last on both streams, and how to go on', () => {
  const iterations = [
    ended(2, 'the agent says it is stuck', 'there is no\nport'),
    ended(1, 'the agent says it is partial'),
  ];
  const checkRuns = [aRun({ phase: 'failed', results }), aRun({ id: 'ck-0', startedAt: 1, results: [] })];
  expect(howItWent(task, { iterations, checkRuns })).toEqual([
    'Tried 2 times: 1 partial, 1 stuck. The last:',
    '  1. partial: the agent says it is partial',
    '  2. stuck: it said: there is no port',
    'Checks, as they ran last: 1 of 2 passed. `e2e` did not; the end of `e2e`:',
    '  | ran',
    '  | Error: no port',
    'Its work is saved (cccccccccc): ralph-fleet diff T1',
    'To go on, with what it should know: ralph-fleet task retry T1 -m NOTES',
  ]);
});

it('says so when nothing was done, and nothing of a task that goes on', () => {
  const nothing = { iterations: [], checkRuns: [] };
  expect(howItWent({ ...task, head: null }, nothing)).toEqual([
    'No iteration has ended.',
    'Its checks have not run on the work.',
    'Nothing of it was saved.',
    'To go on, with what it should know: ralph-fleet task retry T1 -m NOTES',
  ]);
  expect(howItWent({ ...task, phase: 'needs_input' }, nothing)).toEqual([]);
});
