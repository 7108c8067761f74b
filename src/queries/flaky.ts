import { type Flaky, findFlaky } from '../domain/flaky.ts';
import type { Task } from '../domain/task.ts';
import type { QueryDeps } from './deps.ts';

/** Checks that passed and failed on the task's present commit, replays included. */
export function flakyOf({ store }: QueryDeps, { id, head }: Task): Flaky[] {
  if (head === null) return [];
  const runs = store.checkRuns.list('WHERE task = ? AND "commit" = ?', id, head);
  return findFlaky(runs, store.replays.list('WHERE task = ? AND "commit" = ?', id, head));
}
