import { describe, expect, it } from 'vitest';
import { type Lesson, lessonId, lessonsFor } from './lesson.ts';

const lesson = (id: string, more: Partial<Lesson> = {}): Lesson => ({
  ...{ id, project: 'p', task: 'T1', iteration: 'it-1', text: id, kind: 'fact', scope: 'project' },
  ...{ at: 1, times: 1, forgotten: false },
  ...more,
});
const ids = (lessons: Lesson[], maxChars = 1000) => lessonsFor({ id: 'T1' }, lessons, maxChars).map((it) => it.id);

describe('lessons for a task', () => {
  it('come with its own first, then what was said most often, then the newest', () => {
    const all = [
      lesson('old'),
      lesson('new', { at: 9 }),
      lesson('often', { times: 3 }),
      lesson('own', { scope: 'task' }),
      lesson('other', { scope: 'task', task: 'T2', times: 9 }),
      lesson('gone', { forgotten: true, times: 9 }),
    ];
    expect(ids(all)).toEqual(['own', 'often', 'new', 'old']);
  });

  it('are whole, and no more than there is room for', () => {
    const all = [
      lesson('a', { text: 'x'.repeat(60), at: 3 }),
      lesson('b', { text: 'y'.repeat(60), at: 2 }),
      lesson('c'),
    ];
    expect(ids(all, 100)).toEqual(['a', 'c']);
  });
});

it('a lesson is known again in other letters and spaces, and apart in another project or task', () => {
  const where = { project: 'p', task: 'T1' };
  const said = { text: 'Run  make gen\nfirst.', kind: 'fact', scope: 'project' } as const;
  const id = lessonId(where, said);
  expect(lessonId({ ...where, task: 'T2' }, { ...said, text: 'run make gen first.' })).toBe(id);
  expect(lessonId({ ...where, project: 'q' }, said)).not.toBe(id);
  const own = { ...said, scope: 'task' } as const;
  expect(lessonId({ ...where, task: 'T2' }, own)).not.toBe(lessonId(where, own));
});
