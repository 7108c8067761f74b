import { demoConfig } from '../config/fleet/demo.ts';
import { loadFleetConfig } from '../config/fleet/load.ts';
import { formatProblems } from '../config/problems.ts';
import type { FleetConfig } from '../domain/fleet.ts';
import type { Context } from './frame/command.ts';

/** What `up` asks for: fleet.yaml (or its defaults), the demo's settings over it, flags over both. */
export async function wantedConfig(
  context: Context,
  flags: { demo: boolean; driver: string | null },
): Promise<{ config: FleetConfig; warnings: string[] }> {
  const named = context.globals.config ?? (context.env['RALPH_FLEET_CONFIG'] || undefined);
  const file = named ?? context.paths.fleetYaml;
  const { value, warnings } = await loadFleetConfig(file, named !== undefined);
  const config = flags.demo ? demoConfig(value) : value;
  return {
    config: flags.driver === null ? config : { ...config, driver: flags.driver },
    warnings: formatProblems(file, warnings),
  };
}
