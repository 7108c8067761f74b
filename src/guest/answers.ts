import { z } from 'zod';
import { cleanText } from '../lib/clean-text.ts';
import { FleetError } from '../lib/errors.ts';
import type { JobState } from './guest.ts';

/** What a guest prints is hostile: parsed here, and nowhere else trusted. */
const whole = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const word = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9._-]+$/);
const text = (max: number) => z.string().transform((value) => cleanText(value).slice(0, max));

const jobEnd = z.object({
  exitCode: z.number().int().min(0).max(255).nullable(),
  signal: z
    .string()
    .regex(/^SIG[A-Z0-9+-]{1,12}$/)
    .nullable(),
  timedOut: z.boolean(),
  killed: z.boolean(),
  startedAt: whole,
  endedAt: whole,
});
const jobState = z
  .object({ id: word, state: z.enum(['running', 'ended', 'lost']), streamBytes: whole, end: jobEnd.nullable() })
  .refine((job) => (job.state === 'ended') === (job.end !== null), 'an end exactly when it has ended');

export const identityAnswer = z.object({
  machineId: z.string().regex(/^[0-9a-f]{32}$/),
  bootId: z.string().regex(/^[0-9a-f-]{36}$/),
  hostname: z.string().min(1).max(253),
  now: whole,
});
export const verifyAnswer = z.object({
  ok: z.boolean(),
  contract: whole,
  image: text(200),
  tools: z.record(z.string().max(100), text(200)),
  problems: z.array(text(1000)).max(1000),
});
export const saveAnswer = z.object({ files: whole, bytes: whole, leftOut: z.array(text(4096)).max(1000) });

/** `what` names the question in the error. */
export function parseAnswer<T>(schema: z.ZodType<T>, bytes: Uint8Array, what: string): T {
  const shown = new TextDecoder().decode(bytes);
  let value: unknown;
  try {
    value = JSON.parse(shown);
  } catch (cause) {
    throw nonsense(what, shown, cause);
  }
  const result = schema.safeParse(value);
  if (!result.success) throw nonsense(what, shown, result.error);
  return result.data;
}

export function parseJobStates(bytes: Uint8Array): JobState[] {
  return lines(bytes).map((line) => parseAnswer(jobState, new TextEncoder().encode(line), 'its jobs'));
}

function lines(bytes: Uint8Array): string[] {
  return new TextDecoder()
    .decode(bytes)
    .split('\n')
    .filter((line) => line !== '');
}

function nonsense(what: string, shown: string, cause: unknown): FleetError {
  const said = JSON.stringify(cleanText(shown).slice(0, 200));
  return new FleetError('guest_unreachable', `The guest was asked for ${what} and answered nonsense: ${said}.`, {
    cause,
  });
}
