import type { FleetConfig } from '../domain/fleet.ts';
import type { Driver } from '../drivers/driver.ts';
import { createDriver } from '../drivers/registry.ts';
import type { ImageBuilder } from '../images/builder.ts';
import { chooseImageBuilder } from '../images/registry.ts';
import type { Clock } from '../lib/clock.ts';
import type { Exec } from '../lib/exec.ts';
import type { Log } from '../lib/log.ts';
import type { Paths } from '../lib/paths.ts';

/** What fleet.yaml chooses. Another fleet.yaml makes other parts; those who hold one see the change at their next call. */
export interface Parts {
  driver: Driver;
  images: ImageBuilder;
  accel: () => 'kvm' | 'hvf' | 'tcg' | null;
  /** The hypervisor's own words of its version. */
  hypervisor: () => string | null;
  /** Takes another fleet.yaml. Throws when its driver or builder cannot be made; then everything stays as it was. */
  take(config: FleetConfig): Promise<void>;
}

export interface PartsDeps {
  exec: Exec;
  paths: Paths;
  log: Log;
  clock: Clock;
}

export async function openParts(deps: PartsDeps, first: FleetConfig): Promise<Parts> {
  let current = await make(deps, first);
  return {
    driver: delegate(() => current.driver),
    images: delegate(() => current.images),
    accel: () => current.accel,
    hypervisor: () => current.hypervisor,
    async take(config) {
      if (JSON.stringify(config) !== JSON.stringify(current.config)) current = await make(deps, config);
    },
  };
}

interface Made {
  config: FleetConfig;
  driver: Driver;
  images: ImageBuilder;
  accel: 'kvm' | 'hvf' | 'tcg' | null;
  hypervisor: string | null;
}

async function make(deps: PartsDeps, config: FleetConfig): Promise<Made> {
  const driver = createDriver({ driver: config.driver, wall: config.wall, name: config.name }, deps);
  const made: Made = {
    config,
    driver,
    images: await chooseImageBuilder(config.image, deps),
    accel: null,
    hypervisor: null,
  };
  // Proved by running code, which takes a moment: unknown until then.
  void driver.probe().then((found) => {
    made.accel = found.accel;
    made.hypervisor = found.version;
  });
  return made;
}

function delegate<T extends object>(target: () => T): T {
  return new Proxy({} as T, { get: (_, key) => Reflect.get(target(), key) });
}
