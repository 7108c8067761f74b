import type { LessonView } from '../contract/actions.ts';
import { rankLessons } from '../domain/lesson.ts';
import type { Project } from '../domain/project.ts';
import { toIso } from '../lib/clock.ts';
import type { QueryDeps } from './deps.ts';

/** As the next prompt takes them: the most useful first. */
export function lessonsView({ store }: QueryDeps, project: Project): LessonView[] {
  const lessons = store.lessons.list('WHERE project = ? AND forgotten = 0', project.name);
  return rankLessons(lessons).map(({ project: _, forgotten: __, ...lesson }) => ({ ...lesson, at: toIso(lesson.at) }));
}
