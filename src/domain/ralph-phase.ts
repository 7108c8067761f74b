import type { Task } from './task.ts';

/** idle: no task · starting: its VM gets ready · working: an iteration runs · waiting: between two · parked · unknown */
export const ralphPhases = ['idle', 'starting', 'working', 'waiting', 'parked', 'unknown'] as const;
export type RalphPhase = (typeof ralphPhases)[number];

export function ralphPhase(task: Pick<Task, 'phase'> | null, hasOpenIteration: boolean): RalphPhase {
  if (hasOpenIteration) return 'working';
  if (task === null) return 'idle';
  return task.phase === 'claimed' ? 'starting' : 'waiting';
}
