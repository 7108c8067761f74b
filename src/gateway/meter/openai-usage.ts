import { z } from 'zod';
import { count } from './meter.ts';
import { noUsage, type Usage } from './prices.ts';

/** Of Responses (`input_tokens`) and Chat Completions (`prompt_tokens`): what was read from the cache is part of the input. */
const details = z
  .object({ cached_tokens: count, cache_write_tokens: count, cache_creation_tokens: count })
  .nullish()
  .catch(null);

export const usageSchema = z.object({
  input_tokens: count,
  prompt_tokens: count,
  output_tokens: count,
  completion_tokens: count,
  input_tokens_details: details,
  prompt_tokens_details: details,
});

export function openAiUsage(said: z.infer<typeof usageSchema>): Usage {
  const prompt = said.input_tokens ?? said.prompt_tokens ?? 0;
  const parts = said.input_tokens_details ?? said.prompt_tokens_details;
  const cacheReadTokens = Math.min(prompt, parts?.cached_tokens ?? 0);
  const written = parts?.cache_write_tokens ?? parts?.cache_creation_tokens ?? 0;
  const cacheWriteTokens = Math.min(prompt - cacheReadTokens, written);
  return {
    ...noUsage,
    inputTokens: prompt - cacheReadTokens - cacheWriteTokens,
    cacheReadTokens,
    cacheWriteTokens,
    outputTokens: said.output_tokens ?? said.completion_tokens ?? 0,
  };
}
