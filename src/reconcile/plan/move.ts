import type { Task } from '../../domain/task.ts';
import type { Decision } from './decide.ts';
import type { Pass } from './need-vm.ts';

/** A decision as a step. */
export function decide(pass: Pass, task: Task, decision: Decision): void {
  pass.to.step('move_task', `task:${task.id}`, decision.reason ?? `goes on to ${decision.to}`, {
    task: task.id,
    from: task.phase,
    to: decision.to,
    reason: decision.reason,
    notes: decision.notes,
    patch: decision.patch,
    ...(decision.until === undefined ? {} : { until: decision.until }),
    ...(decision.stop === undefined ? {} : { stop: decision.stop }),
  });
}
