import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadFleetConfig } from '../config/fleet/load.ts';
import { fleetConfig } from '../contract/fleet-config.ts';
import type { FleetConfig } from '../domain/fleet.ts';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import type { Log } from '../lib/log.ts';
import type { Paths } from '../lib/paths.ts';

/** What `up` last asked for, kept over restarts; else fleet.yaml; else the defaults. */
export async function readKeptConfig(paths: Paths, log: Log): Promise<FleetConfig> {
  const text = await readFile(keptFile(paths), 'utf8').catch(() => null);
  if (text !== null) {
    const kept = fleetConfig.safeParse(parseJson(text));
    if (kept.success) return kept.data;
    log.warn({ file: keptFile(paths) }, 'the kept configuration is not readable; fleet.yaml is read instead');
  }
  return (await loadFleetConfig(paths.fleetYaml, false)).value;
}

export async function keepConfig(paths: Paths, config: FleetConfig): Promise<void> {
  await writeFileAtomic(keptFile(paths), `${JSON.stringify(config, null, 2)}\n`);
}

function keptFile(paths: Paths): string {
  return join(paths.state, 'config.json');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
