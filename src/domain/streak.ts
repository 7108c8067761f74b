import { countsAsAttempt, type Iteration } from './iteration.ts';
import type { Task } from './task.ts';

/** As often in a row as an iteration may end stuck, or crash without having changed anything, before a person is asked. */
export const mostStuck = 3;
export const mostCrashes = 3;

/** The implementer's iterations that counted since a person last let the task start anew, the newest last. */
export function stretch(task: Task, iterations: readonly Iteration[]): Iteration[] {
  const ended = iterations.filter((it) => it.task === task.id && it.role === 'implementer' && it.phase === 'ended');
  const counted = ended.filter(({ outcome }) => outcome !== null && countsAsAttempt(outcome));
  return counted.toSorted((a, b) => a.n - b.n).slice(Math.max(0, counted.length - task.iterations));
}

/** How many of the newest ended stuck, one after the other. Who asks is not stuck: it waits. */
export function stuckInARow(iterations: readonly Iteration[]): number {
  return countFromEnd(iterations, (it) => it.outcome === 'stuck' && it.ask?.blocking !== true);
}

/** How many of the newest crashed, one after the other, with the same work saved. */
export function crashedInARow(iterations: readonly Iteration[]): number {
  const last = iterations.at(-1);
  return countFromEnd(iterations, (it) => it.outcome === 'crashed' && it.savedTree === last?.savedTree);
}

function countFromEnd(iterations: readonly Iteration[], isOne: (iteration: Iteration) => boolean): number {
  const other = iterations.findLastIndex((iteration) => !isOne(iteration));
  return iterations.length - 1 - other;
}
