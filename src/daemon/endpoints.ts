import { unwatchFile, watchFile } from 'node:fs';
import type { FleetConfig } from '../domain/fleet.ts';
import { type Endpoints, readEndpoints } from '../stack/endpoints.ts';

/** Where the user's telemetry stack is, as `telemetry up` says in a file; looked at every two seconds. */
export interface FollowedEndpoints {
  /** What fleet.yaml leaves open, filled in while a stack runs. */
  fill(config: FleetConfig): FleetConfig;
  /** Null while no stack runs. */
  found(): Endpoints | null;
  close(): void;
}

const pollMs = 2000;

/** `onChange` comes after a look that found something else. */
export async function followEndpoints(file: string, onChange: () => void): Promise<FollowedEndpoints> {
  let found: Endpoints | null = await readEndpoints(file);
  const look = async () => {
    found = await readEndpoints(file);
    onChange();
  };
  const listener = () => void look();
  watchFile(file, { interval: pollMs, persistent: false }, listener);
  return {
    fill: (config) => fillOpen(config, found),
    found: () => found,
    close: () => unwatchFile(file, listener),
  };
}

/** The user's own word stands. */
export function fillOpen(config: FleetConfig, found: Endpoints | null): FleetConfig {
  if (found === null) return config;
  const urls: Record<string, string | undefined> = { loki: found.loki?.url, otlp: found.otlp?.url };
  const telemetry = Object.entries(config.telemetry).map(([kind, said]) => [kind, said ?? urls[kind] ?? null]);
  return { ...config, metrics: config.metrics ?? found.metrics, telemetry: Object.fromEntries(telemetry) };
}
