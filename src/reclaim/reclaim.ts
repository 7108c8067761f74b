import type { Reclaimable } from '../domain/reclaim.ts';
import { formatError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Found, Sweep } from './sweep.ts';

export interface Reclaimed {
  items: Reclaimable[];
  /** What could not be looked through, or removed, and why; the rest was. */
  problems: string[];
}

/** Everything that may go, and with `isConfirmed` it does. What of it cannot is said, and keeps nothing else from going. */
export async function reclaim(sweeps: readonly Sweep[], isConfirmed: boolean, log: Log): Promise<Reclaimed> {
  const found: Found[] = [];
  const problems: string[] = [];
  const note = (error: unknown) => void problems.push(formatError(error).split('\n')[0] ?? '');
  for (const sweep of sweeps) {
    await sweep().then((more) => found.push(...more), note);
  }
  const items: Reclaimable[] = [];
  for (const { remove, ...item } of found) {
    if (!isConfirmed) items.push(item);
    else
      await remove().then(() => {
        log.info({ kind: item.kind, name: item.name, why: item.why }, 'reclaimed');
        items.push(item);
      }, note);
  }
  return { items, problems };
}
