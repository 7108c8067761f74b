import { z } from 'zod';
import { type Check, type CheckResult, checkTailBytes } from '../domain/check.ts';
import { cleanText, tailText } from '../lib/clean-text.ts';

const resultSchema = z.object({
  id: z.string(),
  exitCode: z.number().int().nullable(),
  timedOut: z.boolean(),
  ms: z.number().nonnegative(),
  /** What it printed last on stdout and on stderr: bytes of anything, so in base64. */
  tail64: z.base64(),
  stderr64: z.base64().default(''),
});

/**
 * `checks.jsonl` as a guest's check runner left it: at most one result per asked check, in the asked order. Whatever is
 * garbage, unknown or doubled is left out, so that a missing result shows as missing. `passed` follows from the exit code.
 */
export function parseCheckResults(bytes: Uint8Array, asked: readonly Pick<Check, 'id'>[]): CheckResult[] {
  const found = new Map<string, CheckResult>();
  for (const line of new TextDecoder().decode(bytes).split('\n')) {
    const result = resultSchema.safeParse(parseJson(line));
    if (!result.success || found.has(result.data.id)) continue;
    const { id, exitCode, timedOut, ms, tail64, stderr64 } = result.data;
    found.set(id, {
      id,
      exitCode,
      timedOut,
      ms,
      passed: exitCode === 0 && !timedOut,
      tail: tailOf(tail64),
      stderrTail: tailOf(stderr64),
    });
  }
  return asked.flatMap((check) => found.get(check.id) ?? []);
}

function tailOf(base64: string): string {
  return tailText(cleanText(new TextDecoder().decode(Buffer.from(base64, 'base64'))), checkTailBytes);
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
