import type { Changes } from '../changes/changes.ts';
import type { FleetConfig } from '../domain/fleet.ts';
import type { Clock } from '../lib/clock.ts';
import type { Store } from '../store/store.ts';

/** What every action needs. An action is the only way to change what is desired; it writes rows and their event together. */
export interface ActionDeps {
  store: Store;
  clock: Clock;
  changes: Changes;
  config: () => FleetConfig;
}

/** What an action answers: what was done, for people; `changed` is false when it was so already. */
export interface Done {
  message: string;
  changed: boolean;
  task: string | null;
}

export function done(message: string, task: string | null = null, changed = true): Done {
  return { message, changed, task };
}
