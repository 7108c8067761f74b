import type { Check } from '../domain/check.ts';
import { type CheckHistory, checkStandings } from '../domain/check-history.ts';
import type { Lesson } from '../domain/lesson.ts';
import type { Task } from '../domain/task.ts';
import type { Ending } from './ending.ts';
import { bulletList, checkList, lessonList, noteList } from './lists.ts';
import { historyList, questionList } from './state.ts';

export interface ImplementerInput extends Ending {
  task: Pick<Task, 'id' | 'title' | 'description' | 'contextFiles' | 'notes' | 'questions' | 'base'>;
  /** The task's own and the project's. */
  checks: readonly Check[];
  /** Glob patterns. */
  protectedFiles: readonly string[];
  /** 1 for the first. */
  iteration: number;
  /** What came of the work so far: of this task only. */
  history: CheckHistory;
  /** What is left of its budget, as a sentence. */
  budgetLeft: string;
  /** Of the project and the task, the most useful first. */
  lessons: readonly Lesson[];
}

export function implementerValues(input: ImplementerInput, howToEnd: string): Record<string, string> {
  const { task } = input;
  return {
    task_id: task.id,
    title: task.title,
    description: task.description,
    checks: checkList(input.checks, checkStandings(input.checks, task.base, input.history)),
    history: historyList(input.history.iterations),
    questions: questionList(task.questions),
    context_files: bulletList(task.contextFiles, 'None named: look around.'),
    protected_files: bulletList(input.protectedFiles, 'None.'),
    notes: noteList(task.notes),
    iteration: String(input.iteration),
    learned: lessonList(input.lessons),
    budget_left: input.budgetLeft,
    how_to_end: howToEnd,
  };
}
