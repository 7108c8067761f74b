import type { Task } from '../domain/task.ts';
import { FleetError } from '../lib/errors.ts';
import type { ActionDeps } from './deps.ts';

/** The task of this id; otherwise `not_found` with the nearest ids there are. */
export function findTask({ store }: Pick<ActionDeps, 'store'>, id: string): Task {
  const task = store.tasks.get(id);
  if (task !== null) return task;
  const known = store.tasks.list('ORDER BY createdAt DESC LIMIT 3').map((each) => `\`${each.id}\``);
  throw new FleetError('not_found', `There is no task \`${id.slice(0, 40)}\`.`, {
    remedy:
      known.length === 0
        ? 'Submit one: ralph-fleet submit TASK.md'
        : `The newest are ${known.join(', ')}; see ralph-fleet tasks.`,
  });
}

export function refuse(task: Task, what: string, remedy: string): never {
  throw new FleetError(
    'refused',
    `Cannot ${what} \`${task.id}\`: it is \`${task.phase}\`${task.reason === null ? '' : ` (${task.reason})`}.`,
    { remedy },
  );
}
