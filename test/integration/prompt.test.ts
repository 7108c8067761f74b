import { expect, it } from 'vitest';
import type { Iteration } from '../../src/domain/iteration.ts';
import { withAnswer, withAsk } from '../../src/domain/question.ts';
import type { Task } from '../../src/domain/task.ts';
import { loadPrompts } from '../../src/prompts/prompts.ts';
import type { ExecuteDeps } from '../../src/reconcile/execute/deps.ts';
import { promptOf } from '../../src/reconcile/execute/prompt.ts';
import { notesFromChecks } from '../../src/reconcile/plan/decide.ts';
import { openDatabase } from '../../src/store/open.ts';
import { createStore } from '../../src/store/store.ts';
import { createVirtualClock } from '../simulation/virtual-clock.ts';
import { anIteration, aProject, aRun, aTask, base, config, head, now } from '../support/rows.ts';

/** The whole prompt an implementer is given, from rows and the real template: what a person would read over. */

const check = (id: string, description: string) => ({ id, description, run: `npm run ${id}`, timeoutSeconds: 60 });
const result = (id: string, passed: boolean, tail = '', stderrTail = '') => {
  return { id, passed, exitCode: passed ? 0 : 1, timedOut: false, ms: 5, tail, stderrTail };
};
const checks = [check('unit', 'the tests pass'), check('retries', 'a failed call is tried again'), check('lint', '')];
const ended = { phase: 'ended', savedCommit: head, nonce: 'f'.repeat(32) } as const;

async function prompt(rows: { task: Partial<Task>; iterations: Iteration[]; checkRuns: ReturnType<typeof aRun>[] }) {
  const clock = createVirtualClock(now);
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.projects.insert(aProject());
  const description = 'When the partner’s webhook fails, try again with exponential backoff, at most 6 times.';
  const title = 'Retry the webhook';
  const task = aTask({
    phase: 'implementing',
    title,
    description,
    checks,
    base,
    contextFiles: ['src/webhook.ts'],
    ...rows.task,
  });
  store.tasks.insert(task);
  for (const iteration of rows.iterations) store.iterations.insert(iteration);
  for (const run of rows.checkRuns) store.checkRuns.insert(run);
  const limit = { usd: 3, tokens: null, calls: null };
  const none = { usd: 0, tokens: 0, calls: 0 };
  const level = {
    per: 'day' as const,
    since: 0,
    until: null,
    limit,
    settled: { ...none, usd: 2.5 },
    reserved: none,
    held: 0,
  };
  const levels = async (nodes: readonly string[]) => nodes.map((node) => ({ ...level, node }));
  const prompts = await loadPrompts('prompts');
  const agent = () => ({ mcpTool: null });
  const deps = { store, clock, prompts, agent, gateway: { levels }, config: () => config } as unknown as ExecuteDeps;
  const n = rows.iterations.length + 1;
  return promptOf(deps, task, anIteration({ id: 'it-now', n, nonce: 'abcdef0123456789abcdef0123456789' }));
}

const baseline = aRun({
  ...{ id: 'ck-0', kind: 'baseline', commit: base, iteration: null, phase: 'failed', startedAt: now - 9000 },
  results: [result('unit', true), result('retries', false, 'expected 6 calls, got 1'), result('lint', true)],
});

it('before any work tells goal, checks and how they stand', async () => {
  const told = await prompt({ task: {}, iterations: [], checkRuns: [baseline] });
  await expect(told).toMatchFileSnapshot('../fixtures/prompts/first-iteration.md');
});

it('later tells what was tried, what fails on both streams, what broke, answers, notes and the budget left', async () => {
  const iterations = [
    anIteration({
      ...ended,
      id: 'it-1',
      n: 1,
      outcome: 'partial',
      reason: 'the agent says it is partial',
      summary: 'The loop is there.\nRemaining: the backoff',
    }),
    anIteration({ ...ended, id: 'it-2', n: 2, outcome: 'timed_out', reason: 'silent for 10 minutes' }),
    anIteration({ ...ended, id: 'it-3', n: 3, outcome: 'stuck', reason: 'the agent asks: How long at most?' }),
  ];
  const run = (n: number, results: ReturnType<typeof result>[]) =>
    aRun({ id: `ck-${n}`, iteration: `it-${n}`, phase: 'failed', results, startedAt: now - 9000 + n });
  const last = run(3, [
    result('unit', true),
    result('retries', false, 'ran 1 test\n1 failed', 'Error: the clock went back\n    at backoff (src/retry.ts:12)'),
    result('lint', false, 'src/retry.ts:3 unused variable'),
  ]);
  const checkRuns = [baseline, run(1, [result('unit', true), result('retries', true), result('lint', true)]), last];
  const ask = { question: 'How long at most?', blocking: true, options: ['30 s', '5 min'], preferred: null };
  const aside = {
    question: 'Is jitter welcome?\nThe spec says nothing.',
    blocking: false,
    options: [],
    preferred: null,
  };
  const asked = withAsk(withAsk([], ask, { iteration: 3, at: 1 }), aside, { iteration: 3, at: 2 });
  const task = aTask({ checks, base, head, iterations: 3 });
  const told = await prompt({
    task: {
      head,
      questions: withAnswer(asked, 1, '5 min, but say so in the log', 3),
      notes: [
        { from: 'human', at: 1, text: 'Leave the old path as it is.' },
        {
          from: 'reviewer',
          at: 2,
          text: 'The reviewer asks for changes.\n\n1. [major] src/retry.ts:9 No limit.\n   Why: it spins.',
        },
        ...notesFromChecks(task, last, { now, checkRuns, iterations }),
      ],
    },
    iterations,
    checkRuns,
  });
  await expect(told).toMatchFileSnapshot('../fixtures/prompts/later-iteration.md');
});
