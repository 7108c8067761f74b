import type { IterationOutcome, RalphRole, Signals } from '../domain/iteration.ts';

/** What only the host can know about an iteration. */
export interface HostKnowledge {
  /** The usage limit that refused its calls and still holds, in words; null when none did. */
  usageLimit: string | null;
  /** How the provider failed its last calls, in words; null when they went well. */
  outage: string | null;
  /** That the provider has no such model, in words; null when it has. */
  unknownModel: string | null;
  /** The level of the budget tree that refused its calls, in words; null when none did. */
  overBudget: string | null;
  /** Calls were refused since the host has no credential that the provider takes. */
  noCredential: boolean;
  /** Why the run cannot be judged at all (VM lost, guest restarted, work not saved); null when it can. */
  infra: string | null;
  /** What its agent was not given, so that its silence says nothing of it; null when it had all. */
  lacked: string | null;
}

export interface Judgement {
  outcome: IterationOutcome;
  /** Why, in a person's words. */
  reason: string;
  /** What the agent says it did; null when it said nothing. */
  summary: string | null;
}

/**
 * One outcome from what the process did, what the agent signalled, and what the host saw, in this order:
 *
 *   1. infra               nothing can be judged, nothing is counted
 *   2. done, or a verdict  completion before limits and before how the process ended: it only asks for verification
 *   3. over budget, no credential, limit  they explain every other end; not counted. (A limit that the CLI sat out does not undo `partial`.)
 *   4. outage              the provider failed its last calls, and it did not end well: not counted
 *   5. timed out, killed, crashed; also where the provider has no such model, which only a person mends
 *   6. partial, stuck      as signalled; out of turns is partial; a reviewer without a verdict, or no signal, is stuck
 *   7. infra               in place of a silence that is no wonder: prompt or tools did not reach the model
 */
export function judgeIteration(input: {
  role: RalphRole;
  agent: { outcome: IterationOutcome; reason: string };
  signals: Signals;
  host: HostKnowledge;
}): Judgement {
  const { role, agent, signals, host } = input;
  const { closing, verdict, ask } = signals;
  const summary = (role === 'reviewer' ? verdict?.summary : null) ?? closing?.text ?? null;
  const judged = (outcome: IterationOutcome, reason: string): Judgement => ({ outcome, reason, summary });

  if (host.infra !== null) return judged('infra', host.infra);
  if (role === 'reviewer' && verdict) return judged('done', `the reviewer’s verdict: ${verdict.decision}`);
  if (role === 'implementer' && closing?.verb === 'done') return judged('done', 'the agent says it is done');
  if (host.overBudget !== null) return judged('over_budget', host.overBudget);
  if (host.noCredential && closing === null)
    return judged('infra', 'its calls were refused: the host has no credential that the provider takes');
  const hasClosed = closing !== null && agent.outcome === 'done';
  if (host.usageLimit !== null && !(hasClosed && closing.verb === 'partial'))
    return judged('rate_limited', host.usageLimit);
  if (host.outage !== null && !hasClosed && !ask?.blocking) return judged('infra', host.outage);
  if (host.unknownModel !== null && !hasClosed) return judged('crashed', host.unknownModel);
  if (['timed_out', 'killed', 'crashed'].includes(agent.outcome)) return judged(agent.outcome, agent.reason);
  if (ask?.blocking) return judged('stuck', `the agent asks: ${ask.question}`);
  if (role === 'reviewer' && closing) return judged('stuck', `no verdict: the reviewer says it is ${closing.verb}`);
  if (closing) return judged(closing.verb, `the agent says it is ${closing.verb}`);
  if (agent.outcome === 'partial') return judged('partial', agent.reason);
  if (host.lacked !== null) return judged('infra', host.lacked);
  return judged('stuck', silence(role, signals));
}

function silence(role: RalphRole, signals: Signals): string {
  const wanted = role === 'reviewer' ? 'a verdict' : 'saying done, partial or stuck';
  const refused = signals.refused === 0 ? '' : ` (${signals.refused} signals were refused)`;
  return `the agent ended without ${wanted}${refused}`;
}
