import { sha256 } from '../lib/digest.ts';
import type { Learned } from './iteration.ts';

/** What an agent learned, kept for those who work in its project after it. Agents wrote it; nobody has checked it. */
export interface Lesson extends Learned {
  /** `les-<8 hex>`, made of what it says, so that the same lesson is the same row. */
  id: string;
  project: string;
  /** The task and iteration that said it last. */
  task: string;
  iteration: string;
  at: number;
  /** In how many iterations it was said. */
  times: number;
  /** A person took it out; it stays out, however often it is said again. */
  forgotten: boolean;
}

/** More than this of one project are let go, the least useful first. */
export const maxLessons = 200;

export function lessonId(where: { project: string; task: string }, { text, scope }: Learned): string {
  const words = text.toLowerCase().replace(/\s+/g, ' ').trim();
  return `les-${sha256(JSON.stringify([where.project, scope === 'task' ? where.task : null, words])).slice(0, 8)}`;
}

/** Most useful first: said in the most iterations, then the newest. */
export function rankLessons(lessons: readonly Lesson[]): Lesson[] {
  return lessons.toSorted((a, b) => b.times - a.times || b.at - a.at || (a.id < b.id ? -1 : 1));
}

/** Those for a task's next iteration, its own first, for as long as `maxChars` last; none is cut in two. */
export function lessonsFor(task: { id: string }, lessons: readonly Lesson[], maxChars: number): Lesson[] {
  const open = rankLessons(lessons).filter((it) => !it.forgotten && (it.scope === 'project' || it.task === task.id));
  const own = open.filter((it) => it.scope === 'task');
  const others = open.filter((it) => it.scope === 'project');
  const chosen: Lesson[] = [];
  let left = maxChars;
  for (const lesson of [...own, ...others]) {
    if (lesson.text.length > left) continue;
    left -= lesson.text.length;
    chosen.push(lesson);
  }
  return chosen;
}
