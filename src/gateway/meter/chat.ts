import { compilePaths, type JsonMembers } from '../../lib/json-members.ts';
import { bytesAt, type Dialect, modelName, read, type Seen, text, unseen } from './meter.ts';
import { openAiUsage, usageSchema } from './openai-usage.ts';
import { isFast } from './responses.ts';

/**
 * OpenAI Chat Completions: a stream tells its usage in a chunk of its own before `[DONE]`, and only when it was asked for with
 * `stream_options.include_usage` (https://developers.openai.com/api/docs, Chat streaming).
 */
const tools = 'tool_calls[].function.arguments';

export const chat: Dialect = {
  eventPaths: compilePaths([
    'model',
    'usage',
    'service_tier',
    'choices[].delta.content',
    'choices[].delta.reasoning_content',
    `choices[].delta.${tools}`,
  ]),
  answerPaths: compilePaths([
    'model',
    'usage',
    'service_tier',
    'choices[].message.content',
    `choices[].message.${tools}`,
  ]),
  create: () => {
    let seen: Seen = unseen;
    function take(members: JsonMembers): void {
      seen = { ...seen, model: read(members, 'model', modelName) ?? seen.model };
      const usage = read(members, 'usage', usageSchema);
      if (usage === null) return;
      const fast = isFast(read(members, 'service_tier', text));
      seen = { ...seen, usage: { ...openAiUsage(usage), fast }, saysInput: true, saysOutput: true };
    }
    return {
      event: (members) => {
        take(members);
        const delta = 'choices[].delta';
        const bytes = bytesAt(members, `${delta}.content`, `${delta}.reasoning_content`, `${delta}.${tools}`);
        seen = { ...seen, outputBytes: seen.outputBytes + bytes };
      },
      mark: (text) => {
        if (text === '[DONE]') seen = { ...seen, isFinal: true };
      },
      answer: (members) => {
        take(members);
        const outputBytes = bytesAt(members, 'choices[].message.content', `choices[].message.${tools}`);
        seen = { ...seen, outputBytes, isFinal: true };
      },
      seen: () => seen,
    };
  },
};
