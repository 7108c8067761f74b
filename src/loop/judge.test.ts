import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type IterationOutcome, iterationOutcomes, type Signals } from '../domain/iteration.ts';
import { lackedOf } from './arrived.ts';
import { type HostKnowledge, judgeIteration } from './judge.ts';

const calm: HostKnowledge = {
  ...{
    usageLimit: null,
    outage: null,
    unknownModel: null,
    overBudget: null,
    noCredential: false,
    infra: null,
    lacked: null,
  },
};
const silent: Signals = { closing: null, ask: null, verdict: null, learned: [], flags: [], refused: 0 };
const closed = (verb: 'done' | 'partial' | 'stuck'): Signals => ({ ...silent, closing: { verb, text: 'words' } });
const approves: Signals = { ...silent, verdict: { decision: 'approve', findings: [], summary: 'good' } };

function judge(outcome: IterationOutcome, signals: Signals, host: Partial<HostKnowledge> = {}) {
  const agent = { outcome, reason: 'by the agent' };
  return judgeIteration({ role: 'implementer', agent, signals, host: { ...calm, ...host } });
}

describe('an implementer', () => {
  it.each<[IterationOutcome, Signals, Partial<HostKnowledge>, IterationOutcome]>([
    ['done', closed('done'), {}, 'done'],
    ['done', silent, {}, 'stuck'],
    ['done', closed('partial'), {}, 'partial'],
    ['partial', silent, {}, 'partial'],
    ['crashed', closed('partial'), {}, 'crashed'],
    ['crashed', closed('done'), {}, 'done'],
    ['timed_out', closed('done'), {}, 'done'],
    ['crashed', closed('done'), { overBudget: 'the fleet has used it all', usageLimit: 'a limit' }, 'done'],
    ['crashed', silent, { overBudget: 'the fleet has used it all', usageLimit: 'a limit' }, 'over_budget'],
    ['crashed', silent, { usageLimit: 'a limit' }, 'rate_limited'],
    ['done', closed('partial'), { usageLimit: 'a limit' }, 'partial'],
    ['done', silent, { usageLimit: 'a limit' }, 'rate_limited'],
    ['timed_out', silent, { usageLimit: 'a limit' }, 'rate_limited'],
    ['crashed', silent, { usageLimit: 'a limit', outage: 'it is away' }, 'rate_limited'],
    ['crashed', silent, { outage: 'it is away' }, 'infra'],
    ['crashed', closed('partial'), { outage: 'it is away' }, 'infra'],
    ['done', silent, { outage: 'it is away' }, 'infra'],
    ['done', closed('partial'), { outage: 'it is away' }, 'partial'],
    ['done', closed('stuck'), { outage: 'it is away' }, 'stuck'],
    ['crashed', silent, { unknownModel: 'no such model' }, 'crashed'],
    ['done', closed('partial'), { unknownModel: 'no such model' }, 'partial'],
    ['crashed', closed('done'), { outage: 'it is away' }, 'done'],
    ['done', closed('done'), { infra: 'the VM is gone' }, 'infra'],
    ['done', approves, {}, 'stuck'],
    ['done', silent, { lacked: 'no tools' }, 'infra'],
    ['done', closed('done'), { lacked: 'no tools' }, 'done'],
    ['done', closed('stuck'), { lacked: 'no tools' }, 'stuck'],
    ['crashed', silent, { lacked: 'no tools' }, 'crashed'],
    ['done', silent, { lacked: 'no tools', overBudget: 'all is used' }, 'over_budget'],
  ])('%s, %j, %j is %s', (outcome, signals, host, expected) => {
    expect(judge(outcome, signals, host).outcome).toBe(expected);
  });

  it('never gets an outcome that is not counted from what the guest says', () => {
    const guest = fc.constantFrom<IterationOutcome>('done', 'partial', 'stuck', 'crashed', 'timed_out', 'killed');
    fc.assert(
      fc.property(
        guest,
        fc.constantFrom(silent, closed('done'), closed('partial'), closed('stuck')),
        (outcome, said) => {
          const judged = judge(outcome, said);
          expect(iterationOutcomes).toContain(judged.outcome);
          expect(['rate_limited', 'over_budget', 'infra']).not.toContain(judged.outcome);
          expect(judged.reason).not.toBe('');
        },
      ),
    );
  });

  it('tells of refused signals when none was accepted', () => {
    expect(judge('done', { ...silent, refused: 2 }).reason).toBe(
      'the agent ended without saying done, partial or stuck (2 signals were refused)',
    );
  });
});

it('says what did not reach the model, by what passed the gateway', () => {
  expect(lackedOf({ prompt: 1, tools: 1 }, 'failed')).toBeNull();
  expect(lackedOf({ prompt: null, tools: null }, 'connected')).toBe('no call to the model API held the prompt');
  expect(lackedOf({ prompt: 1, tools: null }, 'failed')).toBe(
    'the model was not given the tools to end with (its agent CLI says: their server is failed)',
  );
});

describe('a reviewer', () => {
  const review = (outcome: IterationOutcome, signals: Signals) =>
    judgeIteration({ role: 'reviewer', agent: { outcome, reason: 'by the agent' }, signals, host: calm });

  it('is done with a verdict only', () => {
    expect(review('crashed', approves)).toMatchObject({ outcome: 'done', summary: 'good' });
    expect(review('done', closed('done'))).toMatchObject({ outcome: 'stuck' });
    expect(review('done', silent).reason).toBe('the agent ended without a verdict');
  });
});
