import type { Ask } from './iteration.ts';

/** A question a Ralph asked its person. It stays with its task, answered or not, so that each prompt can hold the answers. */
export interface Question extends Ask {
  /** 1 for the task's first. */
  id: number;
  askedAt: number;
  /** Which of the task's iterations asked. */
  iteration: number;
  /** How often it was asked, in the same words, since a person last let the task start anew; this time counts. */
  times: number;
  answer: string | null;
  /** When it was answered, or set aside without an answer; null while it is open. */
  closedAt: number | null;
}

const kept = 20;
/** Whoever asks the same for the third time does not understand the answer; another one of the same kind is no help. */
export const mostTimes = 3;

/** The questions after an iteration has asked. What is open is not opened twice; what was answered is, a few times. */
export function withAsk(
  questions: readonly Question[],
  ask: Ask | null,
  { iteration, at }: { iteration: number; at: number },
): Question[] {
  if (ask === null) return [...questions];
  const same = questions.filter((known) => wordsOf(known.question) === wordsOf(ask.question));
  const open = same.find((known) => known.closedAt === null);
  if (open !== undefined) {
    const isBlocking = open.blocking || ask.blocking;
    return questions.map((known) => (known === open ? { ...open, options: ask.options, blocking: isBlocking } : known));
  }
  const times = Math.max(0, ...same.map((known) => known.times)) + 1;
  // It has its answer, and goes on without another.
  if (!ask.blocking && times > mostTimes) return [...questions];
  const id = Math.max(0, ...questions.map((known) => known.id)) + 1;
  const made: Question = { ...ask, id, askedAt: at, iteration, times, answer: null, closedAt: null };
  return trimmed([...questions, made]);
}

/** The oldest closed ones go first. */
function trimmed(questions: Question[]): Question[] {
  const surplus = questions.length - kept;
  const closed = questions.filter((question) => question.closedAt !== null).slice(0, Math.max(0, surplus));
  return questions.filter((question) => !closed.includes(question));
}

export function openQuestions(questions: readonly Question[]): Question[] {
  return questions.filter((question) => question.closedAt === null);
}

/** The one an answer is for where none is named: what holds the task up, else the oldest. */
export function nextQuestion(questions: readonly Question[]): Question | null {
  const open = openQuestions(questions);
  return open.find((question) => question.blocking) ?? open[0] ?? null;
}

export function withAnswer(questions: readonly Question[], id: number, answer: string, at: number): Question[] {
  return questions.map((question) => (question.id === id ? { ...question, answer, closedAt: at } : question));
}

/** A person lets the task go on without an answer: what held it up is set aside. */
export function withoutBlocking(questions: readonly Question[], at: number): Question[] {
  return questions.map((known) => (known.blocking && known.closedAt === null ? { ...known, closedAt: at } : known));
}

/** A new start: what was asked before counts no more. */
export function countedAnew(questions: readonly Question[]): Question[] {
  return questions.map((question) => ({ ...question, times: 0 }));
}

/** The same question in other capitals, spaces or punctuation is the same. */
function wordsOf(question: string): string {
  return question
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}
