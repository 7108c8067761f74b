import type { PlanView, WhyView } from '../contract/plan-view.ts';
import { shownState } from '../domain/states.ts';
import type { Task, TaskPhase } from '../domain/task.ts';
import { toIso } from '../lib/clock.ts';
import type { QueryDeps } from './deps.ts';

/** What the planner says, in data: handed in, so that `plan` and `why` come straight from it. */
export interface PlanSaid {
  steps: { kind: string; key: string; reason: string }[];
  waits: { subject: string; reason: string }[];
}

export function planView({ store, clock }: QueryDeps, said: PlanSaid): PlanView {
  const now = clock.now();
  return {
    asOf: toIso(now),
    steps: said.steps.map((step) => ({
      kind: step.kind,
      subject: step.key.slice(step.key.indexOf(':') + 1),
      reason: step.reason,
    })),
    waits: said.waits.map((wait) => ({
      subject: wait.subject,
      since: toIso(store.tasks.get(wait.subject)?.since ?? now),
      waitsFor: wait.reason,
    })),
  };
}

export function whyView({ store }: QueryDeps, task: Task, said: PlanSaid): WhyView {
  const vms = store.vms.list("WHERE task = ? AND phase <> 'gone'", task.id).map((vm) => vm.id);
  const subjects = [task.id, ...vms, ...(task.disk === null ? [] : [task.disk])];
  const own =
    said.waits.find((wait) => wait.subject === task.id) ??
    said.waits.find((wait) => subjects.includes(wait.subject) || wait.subject === 'fleet');
  const next = said.steps.find((step) => step.key === `task:${task.id}`);
  const nearby = said.steps.find((step) => subjects.some((subject) => step.key.endsWith(subject)));
  return {
    task: task.id,
    title: task.title,
    phase: task.phase,
    state: shownState(task.phase, task.seen),
    since: toIso(task.since),
    waitsFor: own?.reason ?? task.reason,
    // What becomes of its VM does not move a task that waits for its person.
    whatWouldMoveIt: nextPass(next) ?? movers[task.phase] ?? nextPass(nearby),
    command: commandFor(task),
  };
}

function nextPass(step: PlanSaid['steps'][number] | undefined): string | null {
  return step === undefined ? null : `the next pass: ${step.kind.replaceAll('_', ' ')} (${step.reason})`;
}

const movers: Partial<Record<TaskPhase, string>> = {
  awaiting_approval: 'your word',
  needs_input: 'your answer',
  paused: 'resuming it',
  over_budget: 'a higher limit, or a new period',
  stalled: 'trying again, perhaps with a clearer task',
  blocked: 'mending what stands in the way, then trying again',
  failed: 'trying again',
  rate_limited: 'the reset of the usage limit',
  merged: 'nothing: it is done',
  cancelled: 'nothing: it was cancelled',
};

function commandFor(task: Task): string | null {
  const commands: Partial<Record<TaskPhase, string>> = {
    awaiting_approval: `ralph-fleet approve ${task.id}`,
    needs_input: `ralph-fleet task answer ${task.id} TEXT`,
    paused: `ralph-fleet task resume ${task.id}`,
    over_budget: `ralph-fleet budget show ${task.id}`,
    stalled: `ralph-fleet task retry ${task.id} -m NOTES`,
    blocked: `ralph-fleet task retry ${task.id}`,
    failed: `ralph-fleet task retry ${task.id} -m NOTES`,
  };
  return commands[task.phase] ?? null;
}
