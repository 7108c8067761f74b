import type { FleetConfig } from '../../domain/fleet.ts';
import type { HostLook } from '../../domain/host.ts';
import { findPressure } from '../../domain/pressure.ts';
import type { Vm } from '../../domain/vm.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Observed } from '../plan/world.ts';

export interface HostWatchDeps {
  host: () => Promise<HostLook>;
  clock: Clock;
  config: () => FleetConfig;
}

/** How the host stands, and since when it is short of what it is short of. Null while nobody can say. */
export function createHostWatch({ host, clock, config }: HostWatchDeps) {
  let began: { of: string; at: number } | null = null;
  return async (vms: readonly Vm[]): Promise<Omit<NonNullable<Observed['host']>, 'residentMiB'> | null> => {
    const look = await host().catch(() => null);
    if (look === null) return null;
    const frozen = vms.filter((vm) => vm.phase === 'paused');
    const found = findPressure(look, config().host, frozen.length > 0);
    // One that a daemon before this one saw began, at the latest, when the first VM was frozen.
    const at = Math.min(clock.now(), ...frozen.map((vm) => vm.since));
    began = found === null ? null : began?.of === found.of ? began : { of: found.of, at };
    return { ...look, pressure: found === null || began === null ? null : { ...found, since: began.at } };
  };
}
