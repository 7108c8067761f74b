import type { ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import { beginMessage, type Provider, sendEvent, textDelta } from '../fixtures/provider.ts';
import { until } from './gateway-process.ts';

/** Many streams at once, each with words and a usage of its own, which go on until they are told to end. */
export interface NumberedStreams {
  /** Resolves with the text of each, whole; null for one that broke off. */
  texts: Promise<(string | null)[]>;
  /** Words that the provider has sent to each so far. */
  sent(): number[];
  finish(): void;
}

/** `usage` of stream n. Any other request (`quick`) is answered at once with the usage of 7. */
export const usageOf = (n: number) => ({ input: 100 + n, output: 10 + n });
const endMark = 'message_stop';

export async function openStreams(
  provider: Provider,
  count: number,
  post: (text: string) => Promise<Dispatcher.ResponseData>,
): Promise<NumberedStreams> {
  const sent = Array.from({ length: count }, () => 0);
  let isFinished = false;
  provider.answer = async (res, body) => {
    const text = String((body['messages'] as { content: string }[])[0]?.content);
    const n = /^stream (\d+)$/.exec(text)?.[1];
    if (n === undefined) return endMessage(res, usageOf(7), 'quick');
    await beginMessage(res, { input_tokens: usageOf(Number(n)).input });
    for (; !isFinished && !res.destroyed; await new Promise((resolve) => setTimeout(resolve, 100))) {
      const word = `[${n}.${sent[Number(n)]}]`;
      sent[Number(n)] = (sent[Number(n)] ?? 0) + 1;
      await sendEvent(res, textDelta(word));
    }
    await sayEnd(res, usageOf(Number(n)).output);
  };
  const answers = await Promise.all(sent.map((_, n) => post(`stream ${n}`)));
  const texts = Promise.all(
    answers.map(({ body }) =>
      body.text().then(
        (text) => (text.includes(endMark) ? text : null),
        () => null,
      ),
    ),
  );
  await until('every stream has begun', () => sent.every((words) => words > 1));
  return {
    texts,
    sent: () => [...sent],
    finish: () => {
      isFinished = true;
    },
  };
}

async function endMessage(res: ServerResponse, usage: { input: number; output: number }, text: string): Promise<void> {
  await beginMessage(res, { input_tokens: usage.input });
  await sendEvent(res, textDelta(text));
  await sayEnd(res, usage.output);
}

async function sayEnd(res: ServerResponse, output_tokens: number): Promise<void> {
  await sendEvent(res, { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens } });
  await sendEvent(res, { type: endMark });
  res.end();
}

/** All words of stream n, in order, none missing. */
export function wordsOf(text: string | null): string[] {
  return (text ?? '').match(/\[\d+\.\d+\]/g) ?? [];
}
