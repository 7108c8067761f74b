import { z } from 'zod';
import { compilePaths, type JsonMembers } from '../../lib/json-members.ts';
import { bytesAt, count, type Dialect, modelName, read, type Seen, text, unseen } from './meter.ts';
import type { Usage } from './prices.ts';

/**
 * Anthropic Messages: `message_start` carries the prompt's tokens, each `message_delta` the totals so far
 * (https://platform.claude.com/docs, Streaming messages).
 */
const usageSchema = z.object({
  input_tokens: count,
  output_tokens: count,
  cache_creation_input_tokens: count,
  cache_read_input_tokens: count,
  cache_creation: z.object({ ephemeral_1h_input_tokens: count }).nullish().catch(null),
  server_tool_use: z.object({ web_search_requests: count }).nullish().catch(null),
  speed: z.string().nullish().catch(null),
  inference_geo: z.string().nullish().catch(null),
});

export const messages: Dialect = {
  eventPaths: compilePaths([
    'type',
    'message.model',
    'message.usage',
    'usage',
    'content_block.type',
    'delta.text',
    'delta.partial_json',
    'delta.thinking',
  ]),
  answerPaths: compilePaths(['model', 'usage', 'content[].text', 'content[].input', 'content[].thinking']),
  create: () => {
    let seen: Seen = unseen;
    let hasBlock = false;
    let hasThought = false;
    function take(usage: z.infer<typeof usageSchema> | null): void {
      if (usage !== null) seen = { ...seen, usage: merge(seen.usage, usage), saysInput: true };
    }
    function event(members: JsonMembers): void {
      const type = read(members, 'type', text);
      if (type === 'message_start') {
        seen = { ...seen, model: read(members, 'message.model', modelName) ?? seen.model };
        take(read(members, 'message.usage', usageSchema));
      } else if (type === 'message_delta') {
        const usage = read(members, 'usage', usageSchema);
        take(usage);
        seen = { ...seen, saysOutput: seen.saysOutput || usage?.output_tokens != null };
      } else if (type === 'message_stop') seen = { ...seen, isFinal: true };
      else if (type === 'content_block_start') {
        hasBlock = true;
        hasThought ||= read(members, 'content_block.type', text)?.includes('thinking') ?? true;
      } else if (type === 'content_block_delta') {
        const bytes = bytesAt(members, 'delta.text', 'delta.partial_json', 'delta.thinking');
        seen = { ...seen, outputBytes: seen.outputBytes + bytes };
      }
    }
    return {
      event,
      answer: (members) => {
        const usage = read(members, 'usage', usageSchema);
        take(usage);
        const outputBytes = bytesAt(members, 'content[].text', 'content[].thinking', 'content[].input');
        const model = read(members, 'model', modelName);
        seen = { ...seen, model, outputBytes, isFinal: usage !== null, saysOutput: usage?.output_tokens != null };
      },
      // What a thinking block takes need not be shown; before the first block nothing can be said of it.
      seen: () => ({ ...seen, hidesOutput: hasThought || !hasBlock }),
    };
  },
};

/** What a later event says replaces what was said before; what it leaves out stays. */
function merge(before: Usage, said: z.infer<typeof usageSchema>): Usage {
  return {
    inputTokens: said.input_tokens ?? before.inputTokens,
    cacheWriteTokens: said.cache_creation_input_tokens ?? before.cacheWriteTokens,
    cacheWrite1hTokens: said.cache_creation?.ephemeral_1h_input_tokens ?? before.cacheWrite1hTokens,
    cacheReadTokens: said.cache_read_input_tokens ?? before.cacheReadTokens,
    outputTokens: said.output_tokens ?? before.outputTokens,
    webSearches: said.server_tool_use?.web_search_requests ?? before.webSearches,
    fast: said.speed == null ? before.fast : said.speed === 'fast',
    inRegion: said.inference_geo == null ? before.inRegion : said.inference_geo === 'us',
  };
}
