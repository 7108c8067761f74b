import { z } from 'zod';
import { type Check, type CheckResult, checkTailBytes } from '../domain/check.ts';

const resultSchema = z.object({
  id: z.string(),
  exitCode: z.number().int().nullable(),
  timedOut: z.boolean(),
  ms: z.number().nonnegative(),
  tail: z.string(),
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
    const { id, exitCode, timedOut, ms, tail } = result.data;
    found.set(id, {
      id,
      exitCode,
      timedOut,
      ms,
      passed: exitCode === 0 && !timedOut,
      tail: clean(tail).slice(-checkTailBytes),
    });
  }
  return asked.flatMap((check) => found.get(check.id) ?? []);
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

/** Escape sequences and control characters but newline and tab go. */
function clean(text: string): string {
  return text.replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, '').replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '');
}
