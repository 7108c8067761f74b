import { flagId, maxFlags } from '../../domain/flag.ts';
import type { Iteration, Signals } from '../../domain/iteration.ts';
import { lessonId, maxLessons, rankLessons } from '../../domain/lesson.ts';
import type { ExecuteDeps } from './deps.ts';

/** What an iteration leaves to its project and to people. Within the transaction that ends it, and so once. */
export function keepSaid(deps: ExecuteDeps, iteration: Iteration, { learned, flags }: Signals): void {
  const { store, clock } = deps;
  const { id: task, project } = store.tasks.mustGet(iteration.task);
  const at = clock.now();
  const from = { project, task, iteration: iteration.id, at };
  for (const lesson of learned) {
    const id = lessonId({ project, task }, lesson);
    const known = store.lessons.get(id);
    if (known === null) store.lessons.insert({ id, ...from, ...lesson, times: 1, forgotten: false });
    // Twice in one iteration is once.
    else if (known.iteration !== iteration.id) store.lessons.update(id, { ...from, times: known.times + 1 });
  }
  if (learned.length > 0) dropLessons(deps, project);
  for (const flag of flags) {
    const id = flagId(task, flag);
    if (store.flags.get(id) !== null || store.flags.list('WHERE task = ?', task).length >= maxFlags) continue;
    store.flags.insert({ id, ...from, ralph: iteration.ralph, ...flag, seen: false });
    store.events.add(
      'task.flagged',
      task,
      `${iteration.ralph} flags (${flag.severity}, ${flag.category}): ${flag.what}`,
    );
  }
}

function dropLessons({ store }: ExecuteDeps, project: string): void {
  const ranked = rankLessons(store.lessons.list('WHERE project = ?', project));
  for (const { id } of ranked.slice(maxLessons)) store.lessons.remove(id);
}
