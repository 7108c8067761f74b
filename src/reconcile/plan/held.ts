import type { Iteration } from '../../domain/iteration.ts';
import { isHolding, type Pressure } from '../../domain/pressure.ts';
import type { World } from './world.ts';

/** Work that was saved so long ago is as good as saved now. */
const freshMs = 60_000;

/** What VMs may not run for, or null. */
export function holdingBack({ observed }: Pick<World, 'observed'>): Pressure | null {
  const pressure = observed.host?.pressure ?? null;
  return isHolding(pressure) ? pressure : null;
}

export function isFresh({ now }: Pick<World, 'now'>, iteration: Iteration): boolean {
  return iteration.role !== 'implementer' || now - (iteration.savedAt ?? iteration.startedAt) <= freshMs;
}
