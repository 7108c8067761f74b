import { formatError } from '../lib/errors.ts';
import type { PreflightResult } from './preflight.ts';

export interface Mended {
  /** Id of the check that found it. */
  check: string;
  what: string;
  done: boolean;
  /** What became of it, or why not. */
  how: string;
}

/** Everything that was found and can be mended, one after the other, each told before and after. What fails keeps nothing else back. */
export async function mendAll(
  { checks }: PreflightResult,
  tell: { before(what: string): void; after(mended: Mended): void },
): Promise<Mended[]> {
  const all: Mended[] = [];
  for (const { id: check, mends = [] } of checks) {
    for (const { what, run } of mends) {
      tell.before(what);
      const mended = await run().then(
        (how) => ({ check, what, done: true, how }),
        (error: unknown) => ({ check, what, done: false, how: formatError(error).split('\n')[0] ?? '' }),
      );
      tell.after(mended);
      all.push(mended);
    }
  }
  return all;
}
