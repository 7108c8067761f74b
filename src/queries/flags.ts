import type { FlagView } from '../contract/task-view.ts';
import { flagSeverities } from '../domain/signal.ts';
import type { Task } from '../domain/task.ts';
import { toIso } from '../lib/clock.ts';
import type { QueryDeps } from './deps.ts';

/** The gravest first. */
export function flagsOf({ store }: QueryDeps, task: Task): FlagView[] {
  const weight = (flag: { severity: FlagView['severity'] }) => flagSeverities.indexOf(flag.severity);
  return store.flags
    .list('WHERE task = ? ORDER BY at', task.id)
    .toSorted((a, b) => weight(b) - weight(a))
    .map(({ id, what, severity, category, ralph, at, seen }) => {
      return { id, what, severity, category, ralph, at: toIso(at), seen };
    });
}
