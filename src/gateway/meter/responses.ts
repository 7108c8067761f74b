import { compilePaths, type JsonMembers } from '../../lib/json-members.ts';
import { bytesAt, type Dialect, modelName, read, type Seen, text, unseen } from './meter.ts';
import { openAiUsage, usageSchema } from './openai-usage.ts';

/**
 * OpenAI Responses: usage comes with the event that ends the response, and nowhere before
 * (https://developers.openai.com/api/docs, Streaming events).
 */
const ends = new Set(['response.completed', 'response.incomplete', 'response.failed']);

export const responses: Dialect = {
  eventPaths: compilePaths(['type', 'delta', 'response.model', 'response.usage', 'response.service_tier']),
  answerPaths: compilePaths([
    'model',
    'usage',
    'service_tier',
    'output[].type',
    'output[].arguments',
    'output[].content[].text',
  ]),
  create: () => {
    let seen: Seen = unseen;
    let webSearches = 0;
    function take(members: JsonMembers, prefix: string): void {
      const usage = read(members, `${prefix}usage`, usageSchema);
      if (usage === null) return;
      const fast = isFast(read(members, `${prefix}service_tier`, text));
      seen = { ...seen, usage: { ...openAiUsage(usage), webSearches, fast }, saysInput: true, saysOutput: true };
    }
    return {
      event: (members) => {
        const type = read(members, 'type', text) ?? '';
        const model = read(members, 'response.model', modelName);
        if (model !== null) seen = { ...seen, model };
        if (type === 'response.web_search_call.completed') webSearches += 1;
        if (type.endsWith('.delta')) seen = { ...seen, outputBytes: seen.outputBytes + bytesAt(members, 'delta') };
        if (!ends.has(type)) return;
        take(members, 'response.');
        seen = { ...seen, isFinal: true };
      },
      answer: (members) => {
        webSearches = members.get('output[].type')?.texts.filter((it) => it === '"web_search_call"').length ?? 0;
        take(members, '');
        const outputBytes = bytesAt(members, 'output[].content[].text', 'output[].arguments');
        seen = { ...seen, model: read(members, 'model', modelName), outputBytes, isFinal: true };
      },
      seen: () => seen,
    };
  },
};

/** Tiers that cost more than the standard one. */
export function isFast(tier: string | null): boolean {
  return tier === 'priority' || tier === 'fast';
}
