import { describe, expect, it } from 'vitest';
import { anIteration, aRalph, aTask, aVm, aWorld, base, head, now } from '../../../test/support/rows.ts';
import { withAsk } from '../../domain/question.ts';
import type { Task } from '../../domain/task.ts';
import { plan } from './plan.ts';

const ask = { question: 'Which?', blocking: true, options: ['a', 'b'], preferred: null };
const questions = withAsk([], ask, { iteration: 1, at: now - 60_000 });
const asked = anIteration({ phase: 'ended', outcome: 'stuck', ask, reason: 'the agent asks: Which?' });
const busy = aRalph({ task: 'T1', vm: '0000000a' });

function planned(task: Partial<Task>) {
  const { steps } = plan(
    aWorld({
      tasks: [aTask({ phase: 'implementing', base, head, disk: 'image', questions, ...task })],
      ralphs: [busy, aRalph({ name: 'reviewer-1', role: 'reviewer' })],
      vms: [aVm({ touched: true, seeded: { work: base } })],
      iterations: [asked],
    }),
  );
  return steps;
}

describe('a task that asked its person', () => {
  const waiting = { phase: 'needs_input', judged: 'it-1', ralph: null, reason: 'Which?' } as const;

  it('goes to them once, its VM and its Ralph are given back, and nothing is started for it', () => {
    expect(planned(waiting).map(({ kind, key }) => `${kind} ${key}`)).toEqual([
      'release_vm vm:0000000a',
      'free_ralph ralph:implementer-1',
      `ping ping:answer:T1:${now - 60_000}`,
    ]);
  });

  it('begins no iteration while the question is open, whatever brought it here', () => {
    const here = { ralph: 'implementer-1', judged: 'it-1' };
    const move = planned(here).find(({ key }) => key === 'task:T1');
    expect(move).toMatchObject({ kind: 'move_task', data: { to: 'needs_input', reason: 'Which?' } });
    const answered = questions.map((question) => ({ ...question, answer: 'a', closedAt: now }));
    expect(planned({ ...here, questions: answered }).map(({ kind }) => kind)).toContain('start_iteration');
    const aside = questions.map((question) => ({ ...question, blocking: false }));
    expect(planned({ ...here, questions: aside }).map(({ kind }) => kind)).toContain('start_iteration');
  });
});
