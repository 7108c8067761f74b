import { z } from 'zod';

/**
 * Lines of `claude -p --output-format stream-json --verbose`, version 2.1.329: only the fields that are read. Unknown types
 * and subtypes are no errors; keys come in any order; one line per content block, all with the same message id.
 */
const block = z.union([
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('tool_use'), name: z.string(), input: z.record(z.string(), z.unknown()).catch({}) }),
  z.object({ type: z.literal('tool_result'), content: z.unknown(), is_error: z.boolean().catch(false) }),
  z.object({ type: z.literal('thinking') }),
  z.object({ type: z.string() }).transform(() => ({ type: 'other' as const })),
]);
export type Block = z.infer<typeof block>;

const message = z.object({ content: z.union([z.string(), z.array(block)]) });

export const assistantSchema = z.object({ type: z.literal('assistant'), message });
export const userSchema = z.object({ type: z.literal('user'), message });

const text = z.string().nullish().catch(null);
const number = z.number().nullish().catch(null);

export const systemSchema = z.object({
  type: z.literal('system'),
  subtype: z.string(),
  model: text,
  /** init */
  mcp_servers: z
    .array(z.object({ name: z.string(), status: z.string() }))
    .nullish()
    .catch(null),
  /** api_retry */
  attempt: number,
  max_retries: number,
  retry_delay_ms: number,
  error_status: number,
  error: text,
  /** permission_denied, model_fallback and informational, notification */
  message: text,
  content: text,
  text,
});

export const rateLimitSchema = z.object({
  type: z.literal('rate_limit_event'),
  rate_limit_info: z.object({
    status: z.string(),
    /** Seconds since the epoch. */
    resetsAt: number,
    rateLimitType: text,
  }),
});

export const resultSchema = z.object({
  type: z.literal('result'),
  subtype: z.string(),
  is_error: z.boolean(),
  result: text,
  errors: z.array(z.string()).nullish().catch(null),
  api_error_status: number,
  api_error: text,
  terminal_reason: text,
});
