import { z } from 'zod';
import { noUsage, type Usage } from './prices.ts';
import { createSseParser } from './sse.ts';

/**
 * Reads usage from an answer's bytes on their way through: message_start carries the prompt's tokens, each message_delta the
 * totals so far. Never throws and never holds more than `maxJsonBytes`: what cannot be read is not counted and not passed on
 * differently.
 */
export interface UsageMeter {
  push(bytes: Uint8Array): void;
  /** No more bytes will come. */
  end(): void;
  seen(): Seen;
}

export interface Seen {
  /** As the upstream names it; null when it has not said. */
  model: string | null;
  usage: Usage;
  /** The upstream has said the last word on usage. */
  isFinal: boolean;
}

const count = z.number().int().nonnegative().max(1e12).nullish().catch(null);
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
const messageSchema = z.object({
  model: z.string().max(200).optional().catch(undefined),
  usage: usageSchema.optional(),
});
const eventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('message_start'), message: messageSchema }),
  z.object({ type: z.literal('message_delta'), usage: usageSchema.optional() }),
  z.object({ type: z.literal('message_stop') }),
  z.object({ type: z.literal('content_block_delta'), delta: z.record(z.string(), z.unknown()) }),
]);

/** An answer that broke off said nothing final about its output: about four bytes of it are one token. */
const bytesPerToken = 4;

export function createUsageMeter(contentType: string, maxJsonBytes = 8 * 1024 * 1024): UsageMeter {
  return contentType.startsWith('text/event-stream') ? createStreamMeter() : createJsonMeter(maxJsonBytes);
}

function createStreamMeter(): UsageMeter {
  let model: string | null = null;
  let usage = noUsage;
  let outputBytes = 0;
  let hasTotals = false;
  let isFinal = false;
  const parser = createSseParser((data) => {
    const event = eventSchema.safeParse(parseJson(data)).data;
    if (event?.type === 'message_start') {
      model = event.message.model ?? model;
      usage = merge(usage, event.message.usage);
    } else if (event?.type === 'message_delta') {
      usage = merge(usage, event.usage);
      hasTotals = true;
    } else if (event?.type === 'message_stop') isFinal = true;
    else if (event?.type === 'content_block_delta') outputBytes += textBytes(event.delta);
  });
  return {
    push: (bytes) => parser.push(bytes),
    end: () => {},
    seen: () => {
      const guessed = Math.ceil(outputBytes / bytesPerToken);
      const outputTokens = hasTotals ? usage.outputTokens : Math.max(usage.outputTokens, guessed);
      return { model, usage: { ...usage, outputTokens }, isFinal };
    },
  };
}

function createJsonMeter(maxBytes: number): UsageMeter {
  let pieces: Buffer[] = [];
  let held = 0;
  let result: Seen = { model: null, usage: noUsage, isFinal: false };
  return {
    push: (bytes) => {
      held += bytes.length;
      if (held > maxBytes) pieces = [];
      else pieces.push(Buffer.from(bytes));
    },
    end: () => {
      if (held > maxBytes) return;
      const message = messageSchema.safeParse(parseJson(Buffer.concat(pieces).toString('utf8'))).data;
      pieces = [];
      if (message?.usage)
        result = { model: message.model ?? null, usage: merge(noUsage, message.usage), isFinal: true };
    },
    seen: () => result,
  };
}

/** What a later event says replaces what was said before; what it leaves out stays. */
function merge(before: Usage, said: z.infer<typeof usageSchema> | undefined): Usage {
  if (said === undefined) return before;
  return {
    inputTokens: said.input_tokens ?? before.inputTokens,
    cacheWriteTokens: said.cache_creation_input_tokens ?? before.cacheWriteTokens,
    cacheWrite1hTokens: said.cache_creation?.ephemeral_1h_input_tokens ?? before.cacheWrite1hTokens,
    cacheReadTokens: said.cache_read_input_tokens ?? before.cacheReadTokens,
    outputTokens: said.output_tokens ?? before.outputTokens,
    webSearches: said.server_tool_use?.web_search_requests ?? before.webSearches,
    fast: said.speed == null ? before.fast : said.speed === 'fast',
    inUs: said.inference_geo == null ? before.inUs : said.inference_geo === 'us',
  };
}

function textBytes(delta: Record<string, unknown>): number {
  const { text, partial_json: json, thinking } = delta;
  return [text, json, thinking].reduce<number>(
    (sum, it) => sum + (typeof it === 'string' ? Buffer.byteLength(it) : 0),
    0,
  );
}

/** The model a request asks for; only a label until the answer names its own. Null when it cannot be told. */
export function requestedModel(body: string): string | null {
  const asked = z.object({ model: z.string().min(1).max(200) }).safeParse(parseJson(body)).data;
  return asked?.model ?? null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
