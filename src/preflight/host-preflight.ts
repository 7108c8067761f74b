import type { FleetConfig } from '../domain/fleet.ts';
import { stateVersion } from '../domain/state-version.ts';
import { createDriver } from '../drivers/registry.ts';
import { chooseImageBuilder } from '../images/registry.ts';
import type { Clock } from '../lib/clock.ts';
import { createExec } from '../lib/exec.ts';
import { createSilentLog } from '../lib/log.ts';
import type { Paths } from '../lib/paths.ts';
import { createPreflight, type PreflightParts } from './create.ts';
import { createHost } from './host.ts';
import type { PreflightResult } from './preflight.ts';

export interface HostPreflightParts {
  config: FleetConfig;
  demo: boolean;
  clock: Clock;
  paths: Paths;
  env: Record<string, string | undefined>;
  credentials: PreflightParts['credentials'];
}

/** The look at this very machine, with the driver and builder fleet.yaml names. Changes nothing, never throws. */
export function hostPreflight({
  config,
  demo,
  clock,
  paths,
  env,
  credentials,
}: HostPreflightParts): Promise<PreflightResult> {
  const parts = { exec: createExec(), clock, paths, log: createSilentLog() };
  return createPreflight({
    ...parts,
    config,
    credentials,
    host: createHost(env),
    driver: async () => createDriver(config, parts),
    builder: () => chooseImageBuilder(config.image, parts),
    stateVersion,
  })({ demo });
}
