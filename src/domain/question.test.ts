import { describe, expect, it } from 'vitest';
import {
  countedAnew,
  mostTimes,
  nextQuestion,
  openQuestions,
  type Question,
  withAnswer,
  withAsk,
  withoutBlocking,
} from './question.ts';

const ask = (question: string, blocking = true) => ({ question, blocking, options: ['x', 'y'], preferred: null });
const at = { iteration: 1, at: 10 };
const asked = (...questions: string[]) =>
  questions.reduce<Question[]>((all, question, i) => withAsk(all, ask(question), { iteration: i + 1, at: i }), []);

describe('a question', () => {
  it('is kept with what was asked, and closed by its answer', () => {
    const [question] = withAsk([], ask('Which?'), at);
    expect(question).toEqual({
      ...ask('Which?'),
      ...{ id: 1, askedAt: 10, iteration: 1, times: 1, answer: null, closedAt: null },
    });
    const answered = withAnswer(asked('A?', 'B?'), 2, 'yes', 20);
    expect(answered.map(({ answer, closedAt }) => [answer, closedAt])).toEqual([
      [null, null],
      ['yes', 20],
    ]);
    expect(openQuestions(answered).map(({ id }) => id)).toEqual([1]);
  });

  it('that is open is not opened twice, whatever its capitals and spaces; it holds up once it did', () => {
    const twice = withAsk(asked('Which  one?'), ask('WHICH one', false), at);
    expect(twice).toHaveLength(1);
    expect(twice[0]).toMatchObject({ blocking: true, times: 1 });
    expect(withAsk(withAsk([], ask('A?', false), at), ask('a', true), at)[0]?.blocking).toBe(true);
  });

  it('counts how often it was asked after its answer, until a new start', () => {
    let questions: Question[] = [];
    for (const times of [1, 2, 3]) {
      questions = withAsk(questions, ask('Which?'), at);
      expect(questions.at(-1)?.times).toBe(times);
      questions = withAnswer(questions, times, 'this', 30);
    }
    expect(withAsk(countedAnew(questions), ask('which'), at).at(-1)?.times).toBe(1);
  });

  it('that does not hold up is not opened for ever', () => {
    let questions: Question[] = [];
    for (let i = 0; i < 9; i++) {
      questions = withAsk(questions, ask('Nice?', false), at);
      for (const { id } of openQuestions(questions)) questions = withAnswer(questions, id, 'yes', 30);
    }
    expect(questions).toHaveLength(mostTimes);
  });

  it('that is set aside is closed without an answer; the others stay open', () => {
    const two = withAsk(asked('A?'), ask('B?', false), at);
    expect(withoutBlocking(two, 40).map(({ answer, closedAt }) => [answer, closedAt])).toEqual([
      [null, 40],
      [null, null],
    ]);
  });
});

it('an answer is for what holds the task up, else for the oldest', () => {
  const two = withAsk(withAsk([], ask('A?', false), at), ask('B?', false), at);
  expect(nextQuestion(two)?.question).toBe('A?');
  expect(nextQuestion(withAsk(two, ask('C?'), at))?.question).toBe('C?');
  expect(nextQuestion([])).toBeNull();
});

it('never drops a question that is open', () => {
  const many = asked(...Array.from({ length: 30 }, (_, i) => `${i}?`));
  expect(many).toHaveLength(30);
  const closed = many.reduce((all, { id }) => withAnswer(all, id, 'yes', 50), many);
  const next = withAsk(closed, ask('new?'), at);
  expect(next).toHaveLength(20);
  expect(next.at(-1)).toMatchObject({ question: 'new?', id: 31 });
});
