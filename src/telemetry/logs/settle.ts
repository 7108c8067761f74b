import { backoffMs } from '../../lib/backoff.ts';
import { cleanLine } from '../../lib/clean-text.ts';
import type { Clock } from '../../lib/clock.ts';
import type { DropReason } from './cursor.ts';
import type { Entry } from './entry.ts';
import type { Answer, Loki, PushFailure } from './loki.ts';

export interface SettleDeps {
  loki: Loki;
  clock: Clock;
  /** A push failed; it is tried again. */
  onFailure(why: PushFailure, text: string): void;
  onSuccess(): void;
  /** Loki will never take these lines. */
  onDrop(entries: readonly Entry[], reason: DropReason, text: string): void;
}

const firstRetryMs = 250;
const lastRetryMs = 30_000;

/**
 * Sends lines until Loki has taken or refused each of them, however long that takes; rejects only when called off.
 *
 * Where it is not known what Loki took of a push (no answer, an error, a killed daemon) it is asked, and only what is missing is sent again: Loki
 * itself knows a line again only while it stands in the newest block of its stream. `isUnsure`: it may have some of them already.
 */
export async function settle(
  entries: readonly Entry[],
  isUnsure: boolean,
  deps: SettleDeps,
  signal: AbortSignal,
): Promise<void> {
  let rest = entries;
  let unsure = isUnsure;
  for (let attempt = 1; rest.length > 0; ) {
    if (unsure) {
      const missing = await ask(rest, deps, signal);
      if (missing === null) {
        await deps.clock.sleep(backoffMs(attempt++, firstRetryMs, lastRetryMs), signal);
        continue;
      }
      rest = missing;
      unsure = false;
      continue;
    }
    const answer = await deps.loki.push(rest, signal);
    if (answer.kind === 'taken') return deps.onSuccess();
    if (answer.kind === 'rejected') return sift(rest, answer.text, deps, signal);
    deps.onFailure(answer.why, cleanLine(answer.text, 300));
    unsure = answer.isUnsure;
    await deps.clock.sleep(pauseMs(answer, attempt++), signal);
  }
  deps.onSuccess();
}

function pauseMs({ retryAfterMs }: Extract<Answer, { kind: 'failed' }>, attempt: number): number {
  return retryAfterMs ?? backoffMs(attempt, firstRetryMs, lastRetryMs);
}

/** Null while Loki does not say. Where it may not be asked, all are sent again: it ignores most of what it has. */
async function ask(entries: readonly Entry[], deps: SettleDeps, signal: AbortSignal): Promise<readonly Entry[] | null> {
  try {
    const missing = await deps.loki.missing(entries, signal);
    return missing === 'denied' ? entries : missing;
  } catch (error) {
    signal.throwIfAborted();
    deps.onFailure('unreachable', cleanLine(String((error as Error).message), 300));
    return null;
  }
}

/** Loki refuses a push for one line of it, and may have taken the others: the bad ones are found by halves, the good ones arrive. */
async function sift(entries: readonly Entry[], text: string, deps: SettleDeps, signal: AbortSignal): Promise<void> {
  let missing = await ask(entries, deps, signal);
  for (let attempt = 1; missing === null; attempt++) {
    await deps.clock.sleep(backoffMs(attempt, firstRetryMs, lastRetryMs), signal);
    missing = await ask(entries, deps, signal);
  }
  if (missing.length === 0) return deps.onSuccess();
  if (missing.length === 1 || ignored(text) === missing.length) {
    deps.onDrop(missing, /too (far behind|old)/.test(text) ? 'too_old' : 'rejected', cleanLine(text, 300));
    return deps.onSuccess();
  }
  if (missing.length < entries.length) return settle(missing, false, deps, signal);
  const half = Math.ceil(missing.length / 2);
  await settle(missing.slice(0, half), false, deps, signal);
  await settle(missing.slice(half), false, deps, signal);
}

/** Loki's own count of the lines it left out: `total ignored: 3 out of 512 for stream: …`. */
function ignored(text: string): number {
  return [...text.matchAll(/total ignored: (\d+) out of \d+/g)].reduce((sum, found) => sum + Number(found[1]), 0);
}
